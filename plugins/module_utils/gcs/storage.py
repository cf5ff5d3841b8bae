"""Cloud Storage's JSON API as far as buckets and published models need it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ..gcp.errors import ApiError, GoogleError
from ..gcp.rest import Answer, Google
from ..retry import paged
from ..saved_model.checksum import crc32c

Json = dict[str, Any]
Told = Callable[[int], None]
"""Is told how many bytes of an object are there; may raise to stop."""

RANGE = 8 * 2**20
"""Bytes of one request when an object's content is read piece by piece."""

LEAST_COPIED = 2**20
"""Bytes that each request of a copy brings at the least: https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite."""

TRIES = 3
"""Of a request whose answer is a success and yet says nothing."""

_LISTED = (
    "kind,items(name,size,crc32c,md5Hash,generation,timeCreated,temporaryHold,eventBasedHold,retentionExpirationTime),"
    "nextPageToken"
)
_POLICY_VERSION = 3
"""Of IAM policies: the first that shows conditions, which a rewrite of the policy would otherwise lose."""


def uri(bucket: str, name: str) -> str:
    return f"gs://{bucket}/{name}"


class Storage:
    """Buckets and objects of one service."""

    def __init__(self, google: Google) -> None:
        self.google = google

    def _ask(self, method: str, path: str, body: Json | None = None, **options: Any) -> Json:
        """What a method answers, which always says of what kind it is: nothing was cut off, and no proxy's own words."""
        for _unused in range(TRIES):
            answer = self.google.call(method, path, body, **options)
            if "kind" in answer or "done" in answer:  # of a copy
                return answer
        raise GoogleError(f"{options['what']}: the answers are not Cloud Storage's. Is a proxy in between?")

    # Buckets

    def bucket(self, name: str) -> Json | None:
        try:
            return self._ask("GET", f"/storage/v1/b/{name}", what=f"bucket {name}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def owns(self, project: str, name: str) -> bool | None:
        """Whether the bucket is one of the project's; None where the account may not list them."""
        query = {"project": project, "prefix": name, "fields": "kind,items(name),nextPageToken"}
        try:
            return any(
                item["name"] == name for item in self._listed("/storage/v1/b", query, f"buckets of {project}")
            )
        except ApiError as error:
            if error.status in (403, 404):
                return None
            raise

    def create_bucket(self, project: str, body: Json) -> Json:
        return self.google.call(
            "POST", "/storage/v1/b", body, query={"project": project}, what=f"bucket {body['name']}"
        )

    def patch_bucket(self, name: str, body: Json, metageneration: str) -> Json:
        return self._ask(
            "PATCH",
            f"/storage/v1/b/{name}",
            body,
            query={"ifMetagenerationMatch": metageneration},
            repeatable=True,
            what=f"bucket {name}",
        )

    def delete_bucket(self, name: str) -> None:
        self.google.send("DELETE", f"/storage/v1/b/{name}", None, {}, accept=(404,), what=f"bucket {name}")

    def policy(self, name: str) -> Json:
        """The bucket's IAM policy, with its etag and conditions."""
        query = {"optionsRequestedPolicyVersion": _POLICY_VERSION}
        return self._ask("GET", f"/storage/v1/b/{name}/iam", query=query, what=f"IAM of bucket {name}")

    def set_policy(self, name: str, policy: Json) -> Json:
        """Replaces the policy if nobody changed it since it was read; else ``ApiError`` with 409 or 412."""
        return self._ask(
            "PUT", f"/storage/v1/b/{name}/iam", policy, repeatable=True, what=f"IAM of bucket {name}"
        )

    # Objects

    def objects(self, bucket: str, prefix: str, *, versions: bool = False) -> Iterator[Json]:
        """Every object below the prefix; with ``versions`` those that were replaced, too."""
        query = {"prefix": prefix, "versions": "true" if versions else None, "fields": _LISTED}
        for item in self._listed(f"/storage/v1/b/{bucket}/o", query, f"list of {uri(bucket, prefix)}"):
            if not str(item.get("size")).isdecimal():
                raise GoogleError(
                    f"list of {uri(bucket, prefix)}: an object of {item.get('size')} bytes can't be."
                )
            yield item

    def _listed(self, path: str, query: Json, what: str) -> Iterator[Json]:
        def page(token: str | None) -> tuple[Json, str | None]:
            found = self._ask("GET", path, query={**query, "pageToken": token}, what=what)
            return found, found.get("nextPageToken")

        for found in paged(page, self.google.clock, lambda words: GoogleError(f"{what}: {words}")):
            yield from found.get("items", [])

    def object(self, bucket: str, name: str) -> Json | None:
        try:
            return self._ask("GET", _path(bucket, name), what=uri(bucket, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def read(self, bucket: str, name: str) -> tuple[bytes, str] | None:
        """A small object's content and its generation; None when there is no such object."""
        for _unused in range(TRIES):
            answer = self._media(bucket, name, {}, accept=(404,))
            if answer.status == 404:
                return None
            if "x-goog-generation" in answer.headers:  # else cut off within the headers
                return answer.body, answer.headers["x-goog-generation"]
        raise GoogleError(f"{uri(bucket, name)}: the service's answers are cut off.")

    def pieces(self, bucket: str, item: Mapping[str, Any]) -> Iterator[bytes]:
        """The content of an object as it was listed, of any size. Raises ``ApiError`` when it is replaced meanwhile."""
        size = int(item["size"])
        for start in range(0, size, RANGE):
            end = min(start + RANGE, size)
            headers = {"Range": f"bytes={start}-{end - 1}"}
            for _unused in range(TRIES):
                body = self._media(bucket, item["name"], headers, generation=item["generation"]).body
                if len(body) == end - start:
                    break
            else:
                raise GoogleError(f"{uri(bucket, item['name'])}: the service's answers are cut off.")
            yield body

    def _media(
        self, bucket: str, name: str, headers: dict[str, str], *, accept: tuple[int, ...] = (), **query: str
    ) -> Answer:
        return self.google.send(
            "GET", _path(bucket, name), None, headers, query={"alt": "media", **query}, accept=accept,
            what=uri(bucket, name),
        )  # fmt: skip

    def create(
        self,
        bucket: str,
        name: str,
        data: bytes,
        *,
        checksum: str = "",
        content_type: str = "application/octet-stream",
        generation: str = "0",
    ) -> Json:
        """Creates an object in one request, in place of ``generation`` of it (0: none); the service checks the crc32c.

        Raises ``ApiError`` with 412 when another one exists with other content, with 400 when ``checksum`` is of other data.
        """
        checksum, boundary = checksum or crc32c(data), uuid.uuid4().hex
        metadata = json.dumps({"name": name, "crc32c": checksum, "contentType": content_type})
        body = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n"
            f"--{boundary}\r\nContent-Type: {content_type}\r\n\r\n"
        ).encode() + data + f"\r\n--{boundary}--\r\n".encode()  # fmt: skip
        return self.once(
            bucket, name, len(data), checksum,
            lambda: self.google.send(
                "POST",
                f"/upload/storage/v1/b/{bucket}/o",
                body,
                {"Content-Type": f"multipart/related; boundary={boundary}"},
                query={"uploadType": "multipart", "ifGenerationMatch": generation},
                repeatable=True,
                what=uri(bucket, name),
                of_json=True,
            ).json(uri(bucket, name)),
        )  # fmt: skip

    def copy(
        self,
        source_bucket: str,
        source: Mapping[str, Any],
        bucket: str,
        name: str,
        tell: Told = lambda done: None,
    ) -> Json:
        """Copies an object as it was listed within Cloud Storage, to one that must not exist yet."""
        path = f"{_path(source_bucket, source['name'])}/rewriteTo{_path(bucket, name).removeprefix('/storage/v1')}"

        def rewrite() -> Json:
            token: str | None = None
            what = f"{uri(source_bucket, source['name'])} to {uri(bucket, name)}"
            for _unused in range(int(source["size"]) // LEAST_COPIED + TRIES):
                query = {
                    "ifGenerationMatch": "0", "rewriteToken": token,
                    "ifSourceGenerationMatch": source["generation"], "sourceGeneration": source["generation"],
                }  # fmt: skip
                answer = self._ask("POST", path, query=query, repeatable=True, what=what)
                if answer.get("done"):
                    return dict(answer["resource"])
                token = answer["rewriteToken"]
                tell(int(answer.get("totalBytesRewritten", 0)))
            raise GoogleError(f"{what}: the service goes on copying and comes to no end.")

        return self.once(bucket, name, int(source["size"]), source["crc32c"], rewrite)

    def once(self, bucket: str, name: str, size: int, checksum: str, make: Callable[[], Json]) -> Json:
        """Makes an object unless it exists with this content already, and compares what was stored.

        An earlier try whose answer was lost has made it: that is success, too. Other content stays as it is and
        raises ``ApiError`` with 412.
        """
        try:
            made = make()
        except ApiError as error:
            if error.status != 412:
                raise
            made = self.object(bucket, name) or {}
            if (made.get("crc32c"), int(made.get("size", -1))) != (checksum, size):
                raise
        if "crc32c" not in made:  # an answer that was cut off
            made = self.object(bucket, name) or {"crc32c": "none", "size": 0}
        if made["crc32c"] != checksum or int(made["size"]) != size:
            raise GoogleError(
                f"{uri(bucket, name)}: what was stored is not what was sent (crc32c {made['crc32c']}, not {checksum})."
            )
        return made

    def delete(self, bucket: str, name: str, generation: str | None = None) -> bool:
        """Removes the object, or this generation of it alone; whether there was one at the last try."""
        query = {"ifGenerationMatch": generation} if generation else None
        answer = self.google.send(
            "DELETE", _path(bucket, name), None, {}, query=query, repeatable=True, accept=(404,),
            what=uri(bucket, name),
        )  # fmt: skip
        return answer.status != 404

    def delete_generation(self, bucket: str, name: str, generation: str) -> None:
        """Removes a generation for good, one that was replaced, too."""
        self.google.send(
            "DELETE", _path(bucket, name), None, {}, query={"generation": generation}, repeatable=True,
            accept=(404,), what=uri(bucket, name),
        )  # fmt: skip


def _path(bucket: str, name: str) -> str:
    return f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"
