"""The emulated Cloud Storage without its API: what is stored, and what may be done with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from .buckets import Buckets
from .copies import Copies
from .database import Database
from .objects import Objects
from .request import Access


class Store:
    """All buckets below ``root``. ``now``: seconds since 1970."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self.database = Database(root, now)
        self.access = Access(self.database)
        self.objects_api = Objects(self.database, self.access)
        self.buckets_api = Buckets(self.database, self.access)
        self.copies_api = Copies(self.database, self.access, self.objects_api)
