"""Methods of buckets: https://cloud.google.com/storage/docs/json_api/v1/buckets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ..google.errors import GoogleError, invalid
from . import rules
from .contract import contract
from .database import LIVE, NONCURRENT, Bucket, Database
from .iam import PERMISSIONS, check_policy
from .request import Access, Call
from .resources import (
    ACL_ROLES,
    acl_entry,
    bucket_acl,
    bucket_resource,
    default_object_acl,
    entity_of,
    etag,
    is_uniform,
    member_of,
)

Json = dict[str, Any]

_UNIFORM_ACL = (
    "Cannot use ACL API to {verb} bucket policy when uniform bucket-level access is enabled. Read more at "
    "https://cloud.google.com/storage/docs/uniform-bucket-level-access"
)


class Buckets:
    """One method of the API each; a call's answer is returned, None where it has no body."""

    def __init__(self, database: Database, access: Access) -> None:
        self._database = database
        self._access = access

    def insert(self, call: Call) -> Json:
        project = call.params["project"]
        self._access.project(call.identity, project, "storage.buckets.create")
        bucket = self.create(project, call.body, call.identity or "", call.params)
        full = call.params.get("projection", "full" if "acl" in call.body else "noAcl") == "full"
        return bucket_resource(bucket, call.base, full=full)

    def create(self, project: str, body: Json, creator: str, params: Json) -> Bucket:
        name = str(body.get("name", ""))
        if not name:
            raise GoogleError(400, "Required parameter: name", reason="required")
        rules.check_name(name)
        rules.check_settings(body)
        if params.get("enableObjectRetention"):
            raise GoogleError(501, "not emulated here: object retention")
        location, kind = rules.place(
            body.get("location") or "US", contract().regions, body.get("customPlacementConfig")
        )
        with self._database.transaction():
            current = self._database.bucket(name)
            if current is not None:
                raise _taken(own=current.project == project)
            now = self._database.timestamp()
            resource = {
                "name": name,
                "generation": str(self._database.next_generation()),
                "metageneration": "1",
                "location": location,
                "locationType": kind,
                "timeCreated": now,
                "updated": now,
                **rules.settings(body, {}, now, self._database.timestamp(rules.UNIFORM_LOCK_SECONDS)),
            }
            bucket = Bucket(name, project, creator, resource, {"bindings": []})
            bucket = replace(bucket, policy=_first_policy(project, uniform=is_uniform(bucket)))
            _check_acl_wish(bucket, body, params)
            self._database.put_bucket(bucket)
        return bucket

    def get(self, call: Call) -> Json:
        bucket = self._access.bucket(call.identity, call.params["bucket"], "storage.buckets.get")
        call.conditions.check({"metageneration": bucket.resource["metageneration"]}, reading=True)
        full = call.params.get("projection") == "full"
        if full:
            self._access.bucket(call.identity, bucket.name, "storage.buckets.getIamPolicy")
        return bucket_resource(bucket, call.base, full=full)

    def list(self, call: Call) -> Json:
        project = call.params["project"]
        self._access.project(call.identity, project, "storage.buckets.list")
        if call.params.get("softDeleted"):
            raise GoogleError(501, "not emulated here: soft-deleted buckets")
        prefix, after = call.params.get("prefix", ""), call.params.get("pageToken", "")
        limit = min(call.params.get("maxResults") or 1000, 1000)
        matching = [
            b for b in self._database.buckets(project) if b.name.startswith(prefix) and b.name > after
        ]
        full = call.params.get("projection") == "full"
        items = [bucket_resource(bucket, call.base, full=full) for bucket in matching[:limit]]
        answer: Json = {"kind": "storage#buckets"} | ({"items": items} if items else {})
        return answer | ({"nextPageToken": items[-1]["name"]} if len(matching) > limit else {})

    def patch(self, call: Call) -> Json:
        return self._change(call, lambda before: rules.merge(before, call.body))

    def update(self, call: Call) -> Json:
        return self._change(call, lambda before: {k: v for k, v in call.body.items() if k in rules.WRITABLE})

    def _change(self, call: Call, wanted: Callable[[Json], Json]) -> Json:
        with self._database.transaction():
            bucket = self._access.bucket(call.identity, call.params["bucket"], "storage.buckets.update")
            call.conditions.check({"metageneration": bucket.resource["metageneration"]})
            rules.check_settings(call.body)
            moved = call.body.get("location")
            if moved is not None and moved.upper() != bucket.resource["location"]:
                raise invalid("The location of a bucket can't be changed.")
            _check_acl_wish(bucket, call.body, call.params)
            if call.body:
                before = {
                    field: bucket.resource[field] for field in rules.WRITABLE if field in bucket.resource
                }
                kept = {
                    field: value for field, value in bucket.resource.items() if field not in rules.WRITABLE
                }
                lock = self._database.timestamp(rules.UNIFORM_LOCK_SECONDS)
                after = rules.settings(wanted(before), before, self._database.timestamp(), lock)
                bucket = self._changed(replace(bucket, resource={**kept, **after}))
        full = call.params.get("projection", "full") == "full"
        return bucket_resource(bucket, call.base, full=full)

    def _changed(self, bucket: Bucket) -> Bucket:
        metageneration = str(int(bucket.resource["metageneration"]) + 1)
        changes = {"metageneration": metageneration, "updated": self._database.timestamp()}
        bucket = replace(bucket, resource={**bucket.resource, **changes})
        self._database.put_bucket(bucket)
        return bucket

    def delete(self, call: Call) -> None:
        with self._database.transaction():
            bucket = self._access.bucket(call.identity, call.params["bucket"], "storage.buckets.delete")
            call.conditions.check({"metageneration": bucket.resource["metageneration"]})
            if next(self._database.scan(bucket.name, (LIVE, NONCURRENT), ""), None) is not None:
                raise GoogleError(409, "The bucket you tried to delete is not empty.", reason="conflict")
            self._database.remove_bucket(bucket.name)

    def layout(self, call: Call) -> Json:
        bucket = self._access.bucket(call.identity, call.params["bucket"], "storage.objects.list")
        return {
            "kind": "storage#storageLayout",
            "bucket": bucket.name,
            "location": bucket.resource["location"],
            "locationType": bucket.resource["locationType"],
            "hierarchicalNamespace": {"enabled": False},
        }

    def list_managed_folders(self, call: Call) -> Json:
        """There are none, since none can be made; clients ask before they remove what is below a prefix."""
        self._access.bucket(call.identity, call.params["bucket"], "storage.managedFolders.list")
        return {"kind": "storage#managedFolders"}

    # IAM

    def get_policy(self, call: Call) -> Json:
        bucket = self._access.bucket(call.identity, call.params["bucket"], "storage.buckets.getIamPolicy")
        return _policy(bucket, call.params.get("optionsRequestedPolicyVersion", 1))

    def set_policy(self, call: Call) -> Json:
        with self._database.transaction():
            bucket = self._access.bucket(call.identity, call.params["bucket"], "storage.buckets.setIamPolicy")
            asked = call.body.get("etag")
            if asked and asked != etag(int(bucket.resource["metageneration"])):
                raise GoogleError(412, "At least one of the pre-conditions you specified did not hold.")
            version = call.body.get("version", 1)
            if version < 3 and any("condition" in binding for binding in bucket.policy["bindings"]):
                text = f"Specified policy version ({version}) cannot be less than the existing policy version (3)."
                raise invalid(text)
            prevents = bucket.resource["iamConfiguration"]["publicAccessPrevention"] == "enforced"
            bindings = check_policy(call.body, prevents_public=prevents, uniform=is_uniform(bucket))
            bucket = self._changed(replace(bucket, policy={"bindings": bindings}))
        return _policy(bucket, 3)

    def test_permissions(self, call: Call) -> Json:
        bucket = self._database.bucket(call.params["bucket"])
        if bucket is None:
            raise GoogleError(404, "The specified bucket does not exist.")
        asked = call.params["permissions"]
        unknown = [permission for permission in asked if permission not in PERMISSIONS]
        if unknown:
            raise invalid(f"Invalid argument: unknown permission '{unknown[0]}'.")
        # Of the bucket and, as far as it grants them, of what is in it.
        held = [permission for permission in asked if self._access.holds(call.identity, bucket, permission)]
        return {"kind": "storage#testIamPermissionsResponse"} | ({"permissions": held} if held else {})

    # Lists of access control

    def list_acl(self, call: Call) -> Json:
        bucket = self._acl_bucket(call, "storage.buckets.getIamPolicy", "get")
        return {"kind": "storage#bucketAccessControls", "items": bucket_acl(bucket, call.base)}

    def get_acl(self, call: Call) -> Json:
        bucket = self._acl_bucket(call, "storage.buckets.getIamPolicy", "get")
        return _acl_of(bucket, call.params["entity"], call.base)

    def put_acl(self, call: Call) -> Json:
        """Insert, patch and update."""
        with self._database.transaction():
            bucket = self._acl_bucket(call, "storage.buckets.setIamPolicy", "update")
            entity, role = call.params.get("entity") or call.body.get("entity", ""), call.body.get("role", "")
            member = member_of(entity, bucket.project)
            if member is None:
                raise invalid(f"Invalid entity: '{entity}'.")
            if role not in ACL_ROLES:
                raise invalid(f"Invalid role: '{role}'. It must be OWNER, WRITER or READER.")
            wanted = [*_without(bucket, entity), {"role": ACL_ROLES[role], "members": [member]}]
            bucket = self._set_acl(bucket, wanted)
        return acl_entry(bucket, entity_of(member, bucket.project), role, call.base)

    def delete_acl(self, call: Call) -> None:
        with self._database.transaction():
            bucket = self._acl_bucket(call, "storage.buckets.setIamPolicy", "update")
            _acl_of(bucket, call.params["entity"], call.base)
            self._set_acl(bucket, _without(bucket, call.params["entity"]))

    def _acl_bucket(self, call: Call, permission: str, verb: str) -> Bucket:
        bucket = self._access.bucket(call.identity, call.params["bucket"], permission)
        if is_uniform(bucket):
            raise invalid(_UNIFORM_ACL.format(verb=verb))
        return bucket

    def _set_acl(self, bucket: Bucket, bindings: Sequence[Json]) -> Bucket:
        prevents = bucket.resource["iamConfiguration"]["publicAccessPrevention"] == "enforced"
        policy = {"bindings": check_policy({"bindings": bindings}, prevents_public=prevents, uniform=False)}
        return self._changed(replace(bucket, policy=policy))


def _taken(*, own: bool) -> GoogleError:
    text = (
        "Your previous request to create the named bucket succeeded and you already own it."
        if own
        else "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
        "Please select a different name and try again."
    )
    return GoogleError(409, text, reason="conflict")


def _first_policy(project: str, *, uniform: bool) -> Json:
    editors = [f"projectEditor:{project}", f"projectOwner:{project}"]
    viewers = [f"projectViewer:{project}"]
    levels = ("Bucket", "Object") if uniform else ("Bucket",)
    return {
        "bindings": [
            {"role": f"roles/storage.legacy{level}{name}", "members": members}
            for level in levels
            for name, members in (("Owner", editors), ("Reader", viewers))
        ]
    }


def _policy(bucket: Bucket, version: int) -> Json:
    bindings = bucket.policy["bindings"]
    conditional = any("condition" in binding for binding in bindings)
    if conditional and version < 3:
        text = (
            f"Requested policy version ({version}) cannot be less than the existing policy version (3) for "
            "conditional policies."
        )
        raise invalid(text)
    return {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{bucket.name}",
        "version": 3 if conditional else 1,
        "etag": etag(int(bucket.resource["metageneration"])),
        "bindings": bindings,
    }


def _acl_of(bucket: Bucket, entity: str, base: str) -> Json:
    for entry in bucket_acl(bucket, base):
        if entry["entity"] == entity:
            return entry
    raise GoogleError(404, "The specified key does not exist.")


def _without(bucket: Bucket, entity: str) -> list[Json]:
    """The policy's bindings without what this entity has by the list of access control."""
    return [
        {**binding, "members": [m for m in binding["members"] if entity_of(m, bucket.project) != entity]}
        if binding["role"] in ACL_ROLES.values()
        else binding
        for binding in bucket.policy["bindings"]
    ]


def _check_acl_wish(bucket: Bucket, body: Json, params: Json) -> None:
    """Lists of access control: refused where access is uniform, and mostly not emulated where it is not."""
    wishes = [
        params.get(name) for name in ("predefinedAcl", "predefinedDefaultObjectAcl") if params.get(name)
    ]
    lists = [name for name in ("acl", "defaultObjectAcl") if body.get(name)]
    if is_uniform(bucket) and (wishes or lists):
        raise invalid(_UNIFORM_ACL.format(verb="update"))
    if any(wish != "projectPrivate" for wish in wishes):
        raise GoogleError(501, f"not emulated here: the predefined access control list {wishes[0]}")
    shown = {"acl": {(e["entity"], e["role"]) for e in bucket_acl(bucket, "")}}
    shown["defaultObjectAcl"] = {(e["entity"], e["role"]) for e in default_object_acl(bucket)}
    for name in lists:
        if {(entry.get("entity"), entry.get("role")) for entry in body[name]} != shown[name]:
            raise GoogleError(
                501, f"not emulated here: {name} as a whole; the policy and bucketAccessControls are"
            )
