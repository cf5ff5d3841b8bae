"""Which versions there are, and what publishing and pruning have to do. Pure.

The protocol, and why nobody ever gets a mixture (docs/publishing.md has it at length):

1. A publisher claims the version's number: it creates ``PATH/.publishing/N.json``, which must not exist, with the
   manifest to be. Who finds a claim of the same content goes on with it; of other content, gives up.
2. Holding the claim it looks at the version again. Only what is of its own content may be there.
3. It creates the data, then the manifest, then saved_model.pb (or .pbtxt), each under the condition that it does not exist.
   Nothing is ever replaced or deleted.
4. Before saved_model.pb it compares everything that is there, and that the claim is still the one it had.
5. It removes the claim, and where that was no longer its own looks once more.

Who removes a version claims it, too, in place of the claim that it was seen with, looks again, and leaves it where anything
came there since. So one of the two sees the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ..digits import natural
from ..gcp.errors import BadInput, GoogleError
from ..saved_model.files import MANIFEST, ModelFile
from ..saved_model.graph import GRAPHS, graph_file
from .manifest import agree, files_of, object_file, same, to_text

Json = dict[str, Any]

CLAIMS = ".publishing"
"""Folder of claims below a model's path; TF Serving looks at folders with numbers for names only."""

LIVE = timedelta(minutes=10)
"""Age up to which a claim is taken for that of a publisher at work, when the number was left to be chosen."""

ABANDONED = timedelta(days=7)
"""Age of a claim after which its upload can't go on: the life of a resumable session."""

_NAMED = 5


class Refused(BadInput):
    """The version can't be published so; the text says why and the way out."""


class Busy(GoogleError):
    """The version is not removed, since somebody publishes it at this moment."""


_REMOVAL = "removal"
"""What a claim to remove a version says beside its manifest, so that another run knows what was published."""


@dataclass(frozen=True)
class Claim:
    """Somebody began to publish or remove a version. ``created``: when, by the service's clock. ``text``: the manifest."""

    manifest: Json | None
    generation: str
    created: datetime
    text: bytes = b""

    def __str__(self) -> str:
        by = (self.manifest or {}).get("creator", "somebody unknown")
        return f"{by} since {self._since}"

    @property
    def _since(self) -> str:
        return self.created.isoformat(timespec="seconds").replace("+00:00", "Z")

    @property
    def removes(self) -> bool:
        """Whether it is that of somebody who removes the version."""
        try:
            return bool(json.loads(self.text).get(_REMOVAL))
        except (ValueError, AttributeError, RecursionError):
            return False

    def removal_words(self, number: int) -> str:
        return (
            f"is being removed since {self._since}. Wait for it to end and run again (state: absent, version: {number} "
            "finishes it where that run was killed), or publish under another number"
        )


@dataclass(frozen=True)
class Version:
    """A version in the bucket. ``objects``: by their path within it."""

    number: int
    objects: Mapping[str, Json] = field(default_factory=dict)
    manifest: Json | None = None
    claim: Claim | None = None
    manifest_text: bytes = b""

    @property
    def problems(self) -> list[str]:
        """What is not as the manifest says."""
        if self.claim is not None and self.claim.removes:
            return ["it is being removed"]
        if self.manifest is None:
            damaged = MANIFEST in self.objects
            return [f"{MANIFEST} is damaged" if damaged else f"there is no {MANIFEST}"]
        return differences(files_of(self.manifest), self.objects)

    @property
    def state(self) -> str:
        """complete, unfinished (claimed, by whom publishes or removes it), damaged (has a manifest), or unmanaged (others put it there)."""
        if not self.problems:
            return "complete"
        if self.claim is not None:
            return "unfinished"
        return "damaged" if MANIFEST in self.objects else "unmanaged"

    @property
    def complete(self) -> bool:
        return self.state == "complete"

    def published(self) -> Version:
        """The version with nothing but what publishing put there: the manifest, and what it or the claim names, unchanged."""
        source = self.manifest or (self.claim.manifest if self.claim else None)
        files = {file.path: file for file in files_of(source)} if source else {}
        own = {
            path: item
            for path, item in self.objects.items()
            if (path == MANIFEST and self.manifest is not None)
            or (path in files and same(files[path], object_file(path, item)))
        }
        return replace(self, objects=own)

    @property
    def digest(self) -> str | None:
        return (self.manifest or {}).get("digest")


def differences(
    files: Iterable[ModelFile], objects: Mapping[str, Json], *, missing: bool = True
) -> list[str]:
    """How the objects differ from the files, in words. ``missing``: whether what lacks is a difference."""
    by_path = {file.path: file for file in files}
    found = [
        f"{path} is {'missing' if path not in objects else 'other content'}"
        for path, file in by_path.items()
        if (missing and path not in objects)
        or (path in objects and not same(file, object_file(path, objects[path])))
    ]
    found += [
        f"{path} does not belong to it"
        for path in sorted(objects)
        if path not in by_path and path != MANIFEST
    ]
    return found


def some(problems: list[str]) -> str:
    """A list in words, not longer than a reader wants."""
    more = f", and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
    return ", ".join(problems[:_NAMED]) + more


def group(objects: Iterable[Json], path: str) -> tuple[dict[int, dict[str, Json]], dict[int, Json]]:
    """Objects below ``path/N/`` by version and path, and claims by version; others are not ours."""
    found: dict[int, dict[str, Json]] = {}
    claims: dict[int, Json] = {}
    for item in objects:
        folder, slash, name = item["name"].removeprefix(f"{path}/").partition("/")
        claimed, version = natural(name.removesuffix(".json")), natural(folder)
        if folder == CLAIMS and claimed is not None:
            claims[claimed] = item
        # The console's empty folders are objects whose names end with a slash.
        elif slash and name and version is not None and folder == str(version) and not name.endswith("/"):
            found.setdefault(version, {})[name] = item
    return found, claims


@dataclass(frozen=True)
class Plan:
    """What publishing does: to which version, which files it creates in this order, whether a claim is left over."""

    version: int
    upload: tuple[str, ...] = ()
    release: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.upload) or self.release


def plan(
    files: list[ModelFile], versions: Mapping[int, Version], desired: int | None, *, now: datetime
) -> Plan:
    """``desired`` None: the number that has the content, or was begun with it, or else the next free one.

    Raises ``Refused``.
    """
    number = _choose(files, versions, now) if desired is None else desired
    current = versions.get(number, Version(number))
    refusal = _refusal(files, current)
    if refusal:
        raise Refused(refusal)
    if current.complete:
        return Plan(number, release=current.claim is not None)
    missing = [file.path for file in sorted(files) if file.path not in current.objects]
    last = graph_file({file.path for file in files})
    data = [path for path in missing if path != last]
    return Plan(
        number,
        (
            *data,
            *([MANIFEST] if MANIFEST not in current.objects else []),
            *([last] if last in missing else []),
        ),
    )


def _choose(files: list[ModelFile], versions: Mapping[int, Version], now: datetime) -> int:
    fitting = [v for v in versions.values() if _refusal(files, v) is None]
    for state in ("complete", "unfinished", "damaged"):
        same_content = [v.number for v in fitting if v.state == state]
        if same_content:
            return max(same_content)
    # What others copied there whole becomes a version by a manifest.
    copied = [v.number for v in fitting if {file.path for file in files} <= v.objects.keys()]
    if copied:
        return max(copied)
    for version in versions.values():
        claim = version.claim
        if version.state == "unfinished" and claim and not claim.removes and now - claim.created < LIVE:
            raise Refused(
                f"version {version.number} is being published with other content by {claim}. Wait for it to end, "
                "or say under which number this content is wanted"
            )
    return max(versions, default=0) + 1


def _refusal(files: list[ModelFile], version: Version) -> str | None:
    """Why this content can't become that version; None when it can, or is it already."""
    number = version.number
    if version.claim is not None and version.claim.removes:
        return f"version {number} {version.claim.removal_words(number)}"
    if version.manifest is not None and not agree(files, files_of(version.manifest)):
        return (
            f"version {number} is published with other content (sha256 {str(version.digest)[:12]}…), and a published "
            "version is never changed: publish under another number"
        )
    if version.complete:
        return None
    remove = f"remove it (state: absent, version: {number}), or publish under another number"
    claim = version.claim
    if claim is not None and (claim.manifest is None or not agree(files, files_of(claim.manifest))):
        return (
            f"version {number} is being published with other content by {claim}. Wait for it to end; if that "
            f"publisher is gone for good, {remove.replace(')', ', force: true)', 1)}"
        )
    if version.manifest is None and MANIFEST in version.objects:
        return f"version {number} has a manifest that can't be read: {remove}"
    strange = differences(files, version.objects, missing=False)
    if strange:
        return f"version {number} holds what is not of this content: {some(strange)}. Nothing is overwritten: {remove}"
    return None


def prunable(
    versions: Mapping[int, Version], keep: int, in_use: Iterable[int], *, now: datetime
) -> tuple[list[int], list[int]]:
    """Numbers that go: published ones beyond the newest ``keep`` complete ones, and abandoned attempts and removals.

    Versions in use stay, and so do those that others put there.
    """
    used = set(in_use)
    complete = sorted((v.number for v in versions.values() if v.complete), reverse=True)
    kept = set(complete[:keep]) | used
    oldest_kept = min(complete[:keep], default=0)
    old = [
        v.number
        for v in versions.values()
        if v.state in ("complete", "damaged") and v.number not in kept and v.number < oldest_kept
    ]
    abandoned = [
        v.number
        for v in versions.values()
        if v.state == "unfinished"
        and v.claim
        and v.number not in used
        and (v.claim.removes or now - v.claim.created > ABANDONED)
    ]
    return sorted(old), sorted(abandoned)


def removal_text(version: Version) -> bytes:
    """The claim to remove a version: the same from every remover, so that they go on with one another's."""
    manifest = version.manifest or (version.claim.manifest if version.claim else None)
    return to_text({**(manifest or {}), _REMOVAL: True})


def came_since(seen: Version, fresh: Version) -> list[str]:
    """Paths of what was published after the version was seen."""
    generations = {path: item["generation"] for path, item in seen.objects.items()}
    return [
        path
        for path, item in fresh.published().objects.items()
        if generations.get(path) != item["generation"]
    ]


def removal_order(version: Version) -> list[str]:
    """Paths in the order in which they go: what makes the version loadable first."""
    first = {**dict.fromkeys(GRAPHS, 0), MANIFEST: 1}
    return sorted(version.objects, key=lambda path: (first.get(path, 2), path))


def time_of(item: Mapping[str, Any]) -> datetime:
    """When an object was created; long ago where the service does not say."""
    try:
        return datetime.fromisoformat(str(item["timeCreated"]))
    except (KeyError, ValueError):
        return datetime.fromtimestamp(0, UTC)
