"""Methods of objects: https://cloud.google.com/storage/docs/json_api/v1/objects. Their contents are elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from ..google.errors import GoogleError, invalid
from . import listing
from .database import LIVE, NONCURRENT, SOFT_DELETED, Bucket, Database, Version
from .request import Access, Call, Conditions
from .resources import is_uniform, object_resource
from .rules import merge

Json = dict[str, Any]

WRITABLE = (
    "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType", "contexts", "customTime",
    "eventBasedHold", "metadata", "temporaryHold",
)  # fmt: skip
_MAX_NAME_BYTES = 1024
_MAX_METADATA_BYTES = 8192


@dataclass(frozen=True)
class Content:
    """The complete bytes of an object-to-be. ``id``: their file; ``md5``: None for a composite object."""

    id: str
    size: int
    crc32c: str
    md5: str | None
    components: int | None = None


class Objects:
    """One method of the API each; a call's answer is returned, None where it has no body."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    def get(self, call: Call) -> Json:
        bucket, version = self._read(call)
        full = call.params.get("projection") == "full"
        return object_resource(version, call.base, bucket=bucket if full else None)

    def open(self, call: Call) -> tuple[Version, BinaryIO]:
        """Metadata and content of the same generation."""
        with self._database.transaction():
            _, version = self._read(call)
            if version.state == SOFT_DELETED:
                raise invalid("The content of a soft-deleted object can't be read.")
            return version, self._database.path(version.content).open("rb")

    def _read(self, call: Call) -> tuple[Bucket, Version]:
        name, generation = call.params["object"], call.params.get("generation")
        bucket = self._access.object(call.identity, call.params["bucket"], name, "storage.objects.get")
        if call.params.get("softDeleted") and generation is None:
            raise GoogleError(400, "Required parameter: generation", reason="required")
        states = (SOFT_DELETED,) if call.params.get("softDeleted") else (LIVE, NONCURRENT)
        version = self.existing(call, bucket, name, generation, states)
        call.conditions.check(version.resource, reading=True)
        return bucket, version

    def version(
        self, bucket: str, name: str, generation: int | None, states: tuple[str, ...] = (LIVE, NONCURRENT)
    ) -> Version | None:
        """The generation, or the live one for None."""
        if generation is None:
            return self._database.live(bucket, name)
        versions = self._database.versions(bucket, name)
        return next((v for v in versions if v.generation == generation and v.state in states), None)

    def existing(
        self,
        call: Call,
        bucket: Bucket,
        name: str,
        generation: int | None = None,
        states: tuple[str, ...] = (LIVE, NONCURRENT),
    ) -> Version:
        """As ``version``; raises ``GoogleError`` where there is none."""
        version = self.version(bucket.name, name, generation, states)
        if version is None:
            raise self._access.missing(call.identity, bucket, name)
        return version

    def list(self, call: Call) -> Json:
        bucket = self._access.bucket(call.identity, call.params["bucket"], "storage.objects.list")
        query = listing.Query.of(call.params)
        versions, soft_deleted = call.params.get("versions"), call.params.get("softDeleted")
        if versions and soft_deleted:
            raise invalid("versions and softDeleted can't be combined.")
        states = (SOFT_DELETED,) if soft_deleted else (LIVE, NONCURRENT) if versions else (LIVE,)
        if soft_deleted:
            self._database.purge_expired()
        shown = bucket if call.params.get("projection") == "full" else None
        with self._database.transaction():
            page = listing.page(self._database.scan(bucket.name, states, query.first), query)
            items = [
                object_resource(
                    Version(self._database.resource(bucket.name, *entry), "", ""), call.base, bucket=shown
                )
                for entry in page.entries
            ]
        answer: Json = {"kind": "storage#objects"} | ({"items": items} if items else {})
        answer |= {"prefixes": page.prefixes} if page.prefixes else {}
        return answer | ({"nextPageToken": page.token} if page.token else {})

    def patch(self, call: Call) -> Json:
        return self._change(call, lambda before: merge(before, _writable(call.body, nulls=True)))

    def update(self, call: Call) -> Json:
        return self._change(call, lambda _: _writable(call.body))

    def _change(self, call: Call, wanted: Callable[[Json], Json]) -> Json:
        name = call.params["object"]
        with self._database.transaction():
            bucket = self._access.object(call.identity, call.params["bucket"], name, "storage.objects.update")
            version = self.existing(call, bucket, name, call.params.get("generation"))
            call.conditions.check(version.resource)
            check_wishes(bucket, call.body, call.params)
            if call.body:
                after = wanted(_writable(version.resource))
                check_metadata(after)
                kept = {key: value for key, value in version.resource.items() if key not in WRITABLE}
                metageneration = str(int(version.resource["metageneration"]) + 1)
                changes = {"metageneration": metageneration, "updated": self._database.timestamp()}
                version = replace(version, resource={**kept, **_present(after), **changes})
                self._database.put_version(version)
        full = call.params.get("projection", "full") == "full"
        return object_resource(version, call.base, bucket=bucket if full else None)

    def delete(self, call: Call) -> None:
        name, generation = call.params["object"], call.params.get("generation")
        with self._database.transaction():
            bucket = self._access.object(call.identity, call.params["bucket"], name, "storage.objects.delete")
            version = self.existing(call, bucket, name, generation)
            call.conditions.check(version.resource)
            self.retire(bucket, version, for_good=generation is not None)

    def restore(self, call: Call) -> Json:
        name = call.params["object"]
        self._database.purge_expired()
        with self._database.transaction():
            bucket = self._access.object(
                call.identity, call.params["bucket"], name, "storage.objects.restore"
            )
            version = self.existing(call, bucket, name, call.params["generation"], (SOFT_DELETED,))
            old = version.resource
            content = Content(
                self._database.share_content(version.content), int(old["size"]), old["crc32c"], old.get("md5Hash"),
                old.get("componentCount"),
            )  # fmt: skip
            body = {**_writable(old), "storageClass": old["storageClass"]}
            made = self.create(call.identity, bucket.name, name, body, content, call.conditions)
        return object_resource(
            made, call.base, bucket=bucket if call.params.get("projection") == "full" else None
        )

    # What other methods build on

    def may_create(self, identity: str | None, bucket_name: str, name: str, conditions: Conditions) -> Bucket:
        """Whether an object may be created now, or replaced; its bucket."""
        bucket = self._access.object(identity, bucket_name, name, "storage.objects.create")
        check_object_name(name)
        current = self._database.live(bucket.name, name)
        conditions.check(current.resource if current else None)
        if current is not None:
            self._access.demand(identity, bucket, name, "storage.objects.delete")
            check_holds(current)
            self.check_retention(bucket, current)
        return bucket

    def create(
        self,
        identity: str | None,
        bucket_name: str,
        name: str,
        body: Json,
        content: Content,
        conditions: Conditions,
    ) -> Version:
        """Makes the content the object's new generation, if preconditions and rights hold."""
        with self._database.transaction():
            bucket = self.may_create(identity, bucket_name, name, conditions)
            check_wishes(bucket, body, {})
            check_metadata(body)
            current = self._database.live(bucket.name, name)
            if current is not None:
                self.retire(bucket, current)
            now = self._database.timestamp()
            resource: Json = {
                "name": name,
                "bucket": bucket.name,
                "generation": str(self._database.next_generation()),
                "metageneration": "1",
                "contentType": "application/octet-stream",
                "storageClass": body.get("storageClass") or bucket.resource["storageClass"],
                "size": str(content.size),
                "crc32c": content.crc32c,
                "timeCreated": now,
                "updated": now,
                "timeStorageClassUpdated": now,
                "timeFinalized": now,
            }
            resource |= {"md5Hash": content.md5} if content.md5 else {}
            resource |= {"componentCount": content.components} if content.components else {}
            held = bucket.resource.get("defaultEventBasedHold")
            resource |= {"eventBasedHold": True} if held else {}
            version = Version({**resource, **_present(_writable(body))}, LIVE, content.id)
            self._database.put_version(version)
        return version

    def retire(self, bucket: Bucket, version: Version, *, for_good: bool = False) -> None:
        """Takes a version away as the bucket's settings say: kept as noncurrent, soft-deleted, or gone.

        ``for_good``: the generation itself was named, so versioning does not keep it.
        """
        check_holds(version)
        self.check_retention(bucket, version, for_good=for_good)
        versioning = bucket.resource.get("versioning", {}).get("enabled", False)
        seconds = int(bucket.resource["softDeletePolicy"]["retentionDurationSeconds"])
        now = self._database.timestamp()
        if versioning and not for_good and version.state == LIVE:
            resource = {**version.resource, "timeDeleted": now}
            self._database.put_version(replace(version, state=NONCURRENT, resource=resource))
        elif seconds:
            times = {"softDeleteTime": now, "hardDeleteTime": self._database.timestamp(seconds)}
            resource = {**version.resource, **times}
            self._database.put_version(replace(version, state=SOFT_DELETED, resource=resource))
        else:
            self._database.remove_version(version)

    def check_retention(self, bucket: Bucket, version: Version, *, for_good: bool = False) -> None:
        """Refuses to delete what is younger than the bucket's policy asks; to make it noncurrent is allowed."""
        seconds = int(bucket.resource.get("retentionPolicy", {}).get("retentionPeriod", 0))
        versioning = bucket.resource.get("versioning", {}).get("enabled", False)
        if not seconds or (versioning and not for_good and version.state == LIVE):
            return
        created = datetime.fromisoformat(version.resource["timeCreated"])
        until = created + timedelta(seconds=seconds)
        if until.timestamp() > self._database.now():
            name = f"{bucket.name}/{version.resource['name']}"
            text = (
                f"Object '{name}' is subject to bucket's retention policy or object retention and cannot be deleted or "
                f"overwritten until {until.isoformat()}"
            )
            raise GoogleError(403, text, reason="retentionPolicyNotMet")


def check_object_name(name: str) -> None:
    """https://cloud.google.com/storage/docs/objects#naming"""
    bad = (
        "\n" in name or "\r" in name or name in (".", "..") or name.startswith(".well-known/acme-challenge/")
    )
    if not name:
        raise GoogleError(400, "Required parameter: name", reason="required")
    if bad or len(name.encode()) > _MAX_NAME_BYTES:
        raise invalid(f"Disallowed object name: '{name[:80]}'")


def check_wishes(bucket: Bucket, body: Json, params: Json) -> None:
    """Refuses what can't be done rather than to do something else."""
    acl = [name for name in ("predefinedAcl", "destinationPredefinedAcl") if params.get(name)]
    if (acl or body.get("acl")) and is_uniform(bucket):
        text = (
            "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled. Read more at "
            "https://cloud.google.com/storage/docs/uniform-bucket-level-access"
        )
        raise invalid(text)
    if any(params[name] != "projectPrivate" for name in acl) or body.get("acl"):
        raise GoogleError(501, "not emulated here: access control lists of objects")
    for name in ("kmsKeyName", "destinationKmsKeyName"):
        if params.get(name) or body.get(name):
            raise GoogleError(501, "not emulated here: encryption with a key of one's own")
    if body.get("retention"):
        raise GoogleError(501, "not emulated here: object retention")


def check_metadata(body: Json) -> None:
    metadata = body.get("metadata") or {}
    if sum(len(f"{key}{value}".encode()) for key, value in metadata.items()) > _MAX_METADATA_BYTES:
        raise invalid("The metadata of an object may have 8 KiB at most.")


def check_holds(version: Version) -> None:
    for field, words in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if version.resource.get(field):
            name = f"{version.resource['bucket']}/{version.resource['name']}"
            text = (
                f"Object '{name}' is under active {words} hold and cannot be deleted, overwritten or archived until "
                "hold is removed."
            )
            raise GoogleError(403, text)


def _writable(body: Json, *, nulls: bool = False) -> Json:
    return {key: value for key, value in body.items() if key in WRITABLE and (nulls or value is not None)}


def _present(body: Json) -> Json:
    return {key: value for key, value in body.items() if value not in (None, {}, "")}
