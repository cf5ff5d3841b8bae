"""What the emulated Cloud Storage keeps, on disk: a database of metadata, and one file a content.

A content's file is complete before the transaction that makes it visible, so that a daemon that is killed at any
moment leaves no half object; files that nothing refers to are swept at the next start.
Layout: ``<root>/storage.sqlite3`` and ``<root>/content/<random name>``.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Json = dict[str, Any]

TRANSFER_SECONDS = 14 * 86_400
"""How long an upload or a rewrite that nobody goes on with is kept; an upload expires in half that time."""
LIVE, NONCURRENT, SOFT_DELETED = "live", "noncurrent", "softDeleted"

_TABLES = """
CREATE TABLE IF NOT EXISTS buckets (
  name TEXT PRIMARY KEY, project TEXT NOT NULL, creator TEXT NOT NULL, resource TEXT NOT NULL, policy TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  bucket TEXT NOT NULL, name TEXT NOT NULL, generation INTEGER NOT NULL, state TEXT NOT NULL,
  resource TEXT NOT NULL, content TEXT NOT NULL, PRIMARY KEY (bucket, name, generation)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transfers (
  id TEXT PRIMARY KEY, kind TEXT NOT NULL, bucket TEXT NOT NULL, content TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Bucket:
    """A bucket as stored. ``creator``: the identity that made it; ``policy``: its IAM policy's bindings."""

    name: str
    project: str
    creator: str
    resource: Json
    policy: Json


@dataclass(frozen=True)
class Version:
    """One generation of an object: its metadata, and the name of the file with its content."""

    resource: Json
    state: str
    content: str

    @property
    def generation(self) -> int:
        return int(self.resource["generation"])


@dataclass(frozen=True)
class Transfer:
    """An upload or a rewrite between its requests; ``state`` is its owner's matter, ``content`` empty when it is done."""

    id: str
    kind: str
    bucket: str
    content: str
    state: Json
    created: float


class Database:
    """Rows and files. Changes happen in ``transaction``; ``now`` gives seconds since 1970."""

    def __init__(self, root: Path, now: Callable[[], float] = time.time) -> None:
        self.now = now
        self._contents = root / "content"
        self._contents.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._depth = 0
        self._garbage: list[str] = []
        self._db = sqlite3.connect(root / "storage.sqlite3", check_same_thread=False, isolation_level=None)
        # Survives a killed process; after a power cut the last transactions may be missing, never half there.
        self._db.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_TABLES}")
        newest = self._db.execute("SELECT max(generation) FROM objects").fetchone()[0]
        self._last_generation = int(newest or 0)
        self._sweep()
        self.purge_expired()

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one at a time; may be nested. Files given up within are removed after it succeeded."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._garbage = []
                    self._db.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._db.execute("COMMIT")
                    for name in self._garbage:
                        self.path(name).unlink(missing_ok=True)
            except BaseException:
                if self._depth == 1:
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    # Times

    def next_generation(self) -> int:
        """Microseconds, as Google's generations look, and never the same twice."""
        with self._lock:
            self._last_generation = max(self._last_generation + 1, int(self.now() * 1e6))
            return self._last_generation

    def timestamp(self, after_seconds: float = 0) -> str:
        moment = datetime.fromtimestamp(self.now(), UTC) + timedelta(seconds=after_seconds)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # Contents

    def new_content(self) -> str:
        return uuid.uuid4().hex

    def path(self, content: str) -> Path:
        return self._contents / content

    def share_content(self, content: str) -> str:
        """Another name for the same bytes, without copying them."""
        name = self.new_content()
        os.link(self.path(content), self.path(name))
        return name

    def give_up(self, content: str) -> None:
        """Removes a content once the transaction around this has succeeded; empty: there is none."""
        if content:
            self._garbage.append(content)

    def _sweep(self) -> None:
        self._db.execute("DELETE FROM transfers WHERE created < ?", (self.now() - TRANSFER_SECONDS,))
        kept = {
            row[0]
            for row in self._db.execute("SELECT content FROM objects UNION SELECT content FROM transfers")
        }
        for file in self._contents.iterdir():
            if file.name not in kept:
                file.unlink()

    # Buckets

    def bucket(self, name: str) -> Bucket | None:
        rows = self._rows("SELECT name, project, creator, resource, policy FROM buckets WHERE name = ?", name)
        return next((_bucket(row) for row in rows), None)

    def buckets(self, project: str) -> list[Bucket]:
        """Ordered by name."""
        query = "SELECT name, project, creator, resource, policy FROM buckets WHERE project = ? ORDER BY name"
        return [_bucket(row) for row in self._rows(query, project)]

    def put_bucket(self, bucket: Bucket) -> None:
        values = (
            bucket.name,
            bucket.project,
            bucket.creator,
            json.dumps(bucket.resource),
            json.dumps(bucket.policy),
        )
        self._rows("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?, ?, ?)", *values)

    def remove_bucket(self, name: str) -> None:
        """With every version and transfer that is still in it."""
        for table in ("objects", "transfers"):
            for (content,) in self._rows(f"SELECT content FROM {table} WHERE bucket = ?", name):  # noqa: S608
                self.give_up(content)
            self._rows(f"DELETE FROM {table} WHERE bucket = ?", name)  # noqa: S608
        self._rows("DELETE FROM buckets WHERE name = ?", name)

    # Objects

    def live(self, bucket: str, name: str) -> Version | None:
        found = [version for version in self.versions(bucket, name) if version.state == LIVE]
        return found[0] if found else None

    def versions(self, bucket: str, name: str) -> list[Version]:
        """Every generation of an object, the oldest first, whatever its state."""
        query = (
            "SELECT resource, state, content FROM objects WHERE bucket = ? AND name = ? ORDER BY generation"
        )
        return [Version(json.loads(row[0]), row[1], row[2]) for row in self._rows(query, bucket, name)]

    def put_version(self, version: Version) -> None:
        resource = version.resource
        key = (resource["bucket"], resource["name"], version.generation)
        values = (*key, version.state, json.dumps(resource), version.content)
        self._rows("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?, ?)", *values)

    def remove_version(self, version: Version) -> None:
        key = (version.resource["bucket"], version.resource["name"], version.generation)
        self._rows("DELETE FROM objects WHERE bucket = ? AND name = ? AND generation = ?", *key)
        self.give_up(version.content)

    def scan(self, bucket: str, states: Sequence[str], first: str) -> Iterator[tuple[str, int]]:
        """Names and generations from this name on, in the order of their UTF-8 bytes."""
        marks = ",".join("?" * len(states))
        query = (
            f"SELECT name, generation FROM objects WHERE bucket = ? AND state IN ({marks}) AND name >= ? "  # noqa: S608
            "ORDER BY name, generation"
        )
        yield from self._rows(query, bucket, *states, first)

    def resource(self, bucket: str, name: str, generation: int) -> Json:
        query = "SELECT resource FROM objects WHERE bucket = ? AND name = ? AND generation = ?"
        return dict(json.loads(self._rows(query, bucket, name, generation)[0][0]))

    def purge_expired(self) -> None:
        """Removes for good what was soft-deleted long enough ago."""
        with self.transaction():
            for row in self._rows(
                "SELECT resource, state, content FROM objects WHERE state = ?", SOFT_DELETED
            ):
                version = Version(json.loads(row[0]), row[1], row[2])
                if version.resource["hardDeleteTime"] <= self.timestamp():
                    self.remove_version(version)

    # Transfers

    def transfer(self, kind: str, identifier: str) -> Transfer | None:
        query = "SELECT id, kind, bucket, content, state, created FROM transfers WHERE kind = ? AND id = ?"
        rows = self._rows(query, kind, identifier)
        return next(
            (Transfer(row[0], row[1], row[2], row[3], json.loads(row[4]), row[5]) for row in rows), None
        )

    def begin(self, kind: str, bucket: str, content: str, state: Json) -> Transfer:
        """A new transfer, which is there from now on."""
        transfer = Transfer(uuid.uuid4().hex, kind, bucket, content, state, self.now())
        self.put_transfer(transfer)
        return transfer

    def put_transfer(self, transfer: Transfer) -> None:
        key = (transfer.id, transfer.kind, transfer.bucket, transfer.content)
        values = (*key, json.dumps(transfer.state), transfer.created)
        self._rows("INSERT OR REPLACE INTO transfers VALUES (?, ?, ?, ?, ?, ?)", *values)

    def remove_transfer(self, identifier: str) -> None:
        self._rows("DELETE FROM transfers WHERE id = ?", identifier)

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def _bucket(row: Sequence[Any]) -> Bucket:
    return Bucket(row[0], row[1], row[2], json.loads(row[3]), json.loads(row[4]))
