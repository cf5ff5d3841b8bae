"""The emulated Cloud Storage without its API: what is stored, for the daemon's own use."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..google.tokens import ACCOUNT
from .buckets import Buckets
from .content import Writer
from .copies import Copies
from .database import LIVE, Database
from .listing import Page, Query, page
from .objects import Content, Objects
from .request import Access, Call, Conditions

__all__ = ["Conditions", "Store", "Upload"]

Json = dict[str, Any]
_NOWHERE = "http://localhost"


class Upload(Writer):
    """Content on its way into an object."""

    def __init__(self, database: Database) -> None:
        self.content = database.new_content()
        super().__init__(database.path(self.content))


class Store:
    """All buckets below ``root``. ``now``: seconds since 1970."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self.database = Database(root, now)
        self.access = Access(self.database)
        self.objects_api = Objects(self.database, self.access)
        self.buckets_api = Buckets(self.database, self.access)
        self.copies_api = Copies(self.database, self.access, self.objects_api)

    def insert_bucket(self, project: str, body: Json) -> None:
        self.buckets_api.create(project, body, ACCOUNT, {})

    def new_upload(self, bucket: str) -> Upload:
        self.access.bucket(ACCOUNT, bucket, "storage.buckets.get")
        return Upload(self.database)

    def finish(self, bucket: str, name: str, body: Json, upload: Upload, conditions: Conditions) -> Json:
        """Makes the uploaded content the object's new generation."""
        crc32c, md5 = upload.finish()
        content = Content(upload.content, upload.size, crc32c, md5)
        return self.objects_api.create(ACCOUNT, bucket, name, body, content, conditions).resource

    def delete_object(self, bucket: str, name: str, conditions: Conditions) -> None:
        params = {"bucket": bucket, "object": name, "ifGenerationMatch": conditions.generation}
        self.objects_api.delete(Call(params, ACCOUNT, _NOWHERE))

    def objects(self, bucket: str, **query: Any) -> tuple[list[Json], Page]:
        """Metadata of a page of live objects, and the page."""
        self.access.bucket(ACCOUNT, bucket, "storage.objects.list")
        wanted = Query(**query)
        found = page(self.database.scan(bucket, (LIVE,), wanted.first), wanted)
        return [self.database.resource(bucket, *entry) for entry in found.entries], found
