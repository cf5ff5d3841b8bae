"""Objects made of other objects, within the service: compose, rewrite, copy and move."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from ..google.errors import GoogleError, invalid
from .content import BLOCK, Writer
from .database import Bucket, Database, Version
from .objects import WRITABLE, Content, Objects, check_holds, check_wishes
from .request import Access, Call, Conditions
from .resources import object_resource

Json = dict[str, Any]

_MEBIBYTE = 1 << 20
REWRITE_BYTES_PER_CALL = 64 * _MEBIBYTE
"""What one call copies to another location or storage class unless it asks for less; Google's is not published."""
_MAX_SOURCES = 32


@dataclass(frozen=True)
class _Source:
    bucket: Bucket
    version: Version


class Copies:
    """One method of the API each; a call's answer is returned."""

    def __init__(self, database: Database, access: Access, objects: Objects) -> None:
        self._database = database
        self._access = access
        self._objects = objects

    def compose(self, call: Call) -> Json:
        name, wanted = call.params["destinationObject"], call.body.get("sourceObjects") or []
        destination = call.body.get("destination") or {}
        if not 1 <= len(wanted) <= _MAX_SOURCES:
            text = (
                f"The number of source components provided ({len(wanted)}) must be from 1 to {_MAX_SOURCES}."
            )
            raise invalid(text)
        with ExitStack() as files:
            with self._database.transaction():
                bucket = self._objects.may_create(
                    call.identity, call.params["destinationBucket"], name, call.conditions
                )
                check_wishes(bucket, destination, call.params)
                sources = [self._component(call, bucket, item) for item in wanted]
                streams = [files.enter_context(self._database.path(s.content).open("rb")) for s in sources]
            content = self._concatenated(streams, sum(s.resource.get("componentCount", 1) for s in sources))
        try:
            with self._database.transaction():
                made = self._objects.create(
                    call.identity, bucket.name, name, destination, content, call.conditions
                )
                if call.body.get("deleteSourceObjects"):
                    self._delete_sources(call, bucket, sources)
        except BaseException:
            self._database.path(content.id).unlink(missing_ok=True)
            raise
        return object_resource(made, call.base)

    def _component(self, call: Call, bucket: Bucket, item: Json) -> Version:
        name, generation = item.get("name", ""), item.get("generation")
        if not name:
            raise GoogleError(400, "Required parameter: sourceObjects.name", reason="required")
        self._access.demand(call.identity, bucket, name, "storage.objects.get")
        version = self._objects.existing(call, bucket, name, int(generation) if generation else None)
        asked = (item.get("objectPreconditions") or {}).get("ifGenerationMatch")
        Conditions(generation=int(asked) if asked is not None else None).check(version.resource)
        return version

    def _concatenated(self, streams: Sequence[BinaryIO], components: int) -> Content:
        identifier = self._database.new_content()
        with Writer.of_composite(self._database.path(identifier)) as writer:
            for stream in streams:
                while data := stream.read(BLOCK):
                    writer.write(data)
            crc32c, _ = writer.finish()
        return Content(identifier, writer.size, crc32c, None, components)

    def _delete_sources(self, call: Call, bucket: Bucket, sources: list[Version]) -> None:
        for source in sources:
            current = self._objects.version(bucket.name, source.resource["name"], source.generation)
            if current is not None and current.resource["name"] != call.params["destinationObject"]:
                self._access.demand(call.identity, bucket, source.resource["name"], "storage.objects.delete")
                self._objects.retire(bucket, current)

    def rewrite(self, call: Call) -> Json:
        """A copy in as many calls as it takes; what happens to the source meanwhile does not matter."""
        with self._database.transaction():
            token, step = call.params.get("rewriteToken"), self._step(call)
            source, target = self._ends(call)
            size = int(source.version.resource["size"])
            if token:
                transfer = self._database.transfer("rewrite", token)
                if transfer is None or transfer.state["key"] != self._key(call, step):
                    raise invalid("The rewriteToken is invalid.")
                source = _Source(source.bucket, Version(transfer.state["source"], "", transfer.content))
                size = int(source.version.resource["size"])
            elif self._is_near(call, source, target) or size <= step:
                return self._finished(call, self._copied(call, source), size)
            else:
                content = self._database.share_content(source.version.content)
                state = {"source": source.version.resource, "done": 0, "key": self._key(call, step)}
                transfer = self._database.begin("rewrite", target.name, content, state)
            done = min(size, transfer.state["done"] + step)
            if done == size:
                answer = self._finished(call, self._copied(call, source), size)
                self._database.remove_transfer(transfer.id)
                self._database.give_up(transfer.content)
                return answer
            self._database.put_transfer(replace(transfer, state={**transfer.state, "done": done}))
        return {
            "kind": "storage#rewriteResponse", "totalBytesRewritten": str(done), "objectSize": str(size), "done": False,
            "rewriteToken": transfer.id,
        }  # fmt: skip

    def _step(self, call: Call) -> int:
        step = call.params.get("maxBytesRewrittenPerCall")
        if step is not None and (step <= 0 or step % _MEBIBYTE):
            text = "maxBytesRewrittenPerCall must be a positive multiple of 1 MiB (1048576)."
            raise invalid(text)
        return int(step or REWRITE_BYTES_PER_CALL)

    def _key(self, call: Call, step: int) -> Json:
        """What must not change between the calls of one rewrite."""
        names = ("sourceBucket", "sourceObject", "destinationBucket", "destinationObject")
        return {**{name: call.params[name] for name in names}, "step": step, "body": call.body}

    def _is_near(self, call: Call, source: _Source, target: Bucket) -> bool:
        """Whether nothing has to be moved: same location, same storage class."""
        wanted = call.body.get("storageClass") or target.resource["storageClass"]
        here = source.bucket.resource["location"], source.version.resource["storageClass"]
        return here == (target.resource["location"], wanted)

    def _finished(self, call: Call, made: Version, size: int) -> Json:
        return {
            "kind": "storage#rewriteResponse", "totalBytesRewritten": str(size), "objectSize": str(size), "done": True,
            "resource": object_resource(made, call.base),
        }  # fmt: skip

    def copy(self, call: Call) -> Json:
        with self._database.transaction():
            source, _ = self._ends(call)
            return object_resource(self._copied(call, source), call.base)

    def _ends(self, call: Call) -> tuple[_Source, Bucket]:
        params, name = call.params, call.params["sourceObject"]
        bucket = self._access.object(call.identity, params["sourceBucket"], name, "storage.objects.get")
        target = self._objects.may_create(
            call.identity, params["destinationBucket"], params["destinationObject"], call.conditions
        )
        check_wishes(target, call.body, params)
        transfer = self._database.transfer("rewrite", params.get("rewriteToken", ""))
        if transfer is not None:
            return _Source(bucket, Version(transfer.state["source"], "", transfer.content)), target
        version = self._objects.existing(call, bucket, name, params.get("sourceGeneration"))
        call.source_conditions.check(version.resource)
        return _Source(bucket, version), target

    def _copied(self, call: Call, source: _Source) -> Version:
        old = source.version.resource
        # Metadata in the request replaces the source's; a storage class alone does not.
        given = {key: value for key, value in call.body.items() if key in WRITABLE}
        body = (
            {key: old[key] for key in WRITABLE if key in old}
            if not given
            else {"contentType": old["contentType"], **given}
        )
        body = {key: value for key, value in body.items() if key not in ("temporaryHold", "eventBasedHold")}
        if call.body.get("storageClass"):
            body["storageClass"] = call.body["storageClass"]
        content = Content(
            self._database.share_content(source.version.content), int(old["size"]), old["crc32c"], old.get("md5Hash"),
            old.get("componentCount"),
        )  # fmt: skip
        target = call.params["destinationBucket"], call.params["destinationObject"]
        return self._objects.create(call.identity, *target, body, content, call.conditions)

    def move(self, call: Call) -> Json:
        """A new name within the bucket, in one step."""
        params, name = call.params, call.params["sourceObject"]
        with self._database.transaction():
            bucket = self._access.object(call.identity, params["bucket"], name, "storage.objects.move")
            version = self._objects.existing(call, bucket, name)
            call.source_conditions.check(version.resource)
            check_holds(version)
            self._objects.check_retention(bucket, version)
            if params["destinationObject"] == name:
                raise invalid("The source and the destination are the same object.")
            renamed = Call(
                {**params, "destinationBucket": bucket.name}, call.identity, call.base,
                {"storageClass": version.resource["storageClass"]},
            )  # fmt: skip
            made = self._copied(renamed, _Source(bucket, version))
            self._database.remove_version(version)
        return object_resource(made, call.base)
