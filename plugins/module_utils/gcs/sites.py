"""Which sites use which models in a bucket: labels on the bucket, so that no teardown takes what another one serves. Pure.

A project's sites share the bucket NAME-models unless told otherwise, and with the same model its folder, too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

PREFIX = "tfserving-site-"
"""Of the labels' keys, which go on with a hash of the model's folder and one of the site; their values are for people."""

_LONGEST = 63
"""Characters of a label's value. https://cloud.google.com/storage/docs/tags-and-labels#bucket-labels"""

Labels = Mapping[str, Any]


def labels_of(site: str | None, paths: Iterable[str]) -> dict[str, str]:
    """The labels by which a site says that it uses these folders; none for no site."""
    if not site:
        return {}
    words = re.sub(r"[^a-z0-9_-]+", "_", site.lower())[-_LONGEST:]
    return {f"{_of_folder(path)}-{_hash(site)}": words for path in paths}


def own(labels: Labels | None, site: str | None) -> set[str]:
    """The keys of the labels that a site has."""
    return {key for key in every(labels) if site and key.endswith(f"-{_hash(site)}")}


def others(labels: Labels | None, site: str | None, path: str | None) -> list[str]:
    """Other sites that use the folder, in words."""
    return _besides(labels, _of_folder(path or ""), site)


def neighbours(labels: Labels | None, site: str | None) -> list[str]:
    """Other sites that use the bucket, whatever folder in it; in words."""
    return _besides(labels, PREFIX, site)


def every(labels: Labels | None) -> dict[str, Any]:
    """All labels of sites among these."""
    return {key: value for key, value in (labels or {}).items() if key.startswith(PREFIX)}


def _besides(labels: Labels | None, beginning: str, site: str | None) -> list[str]:
    mine = own(labels, site)
    found = {
        str(words) for key, words in (labels or {}).items() if key.startswith(beginning) and key not in mine
    }
    return sorted(found)


def _of_folder(path: str) -> str:
    return f"{PREFIX}{_hash(path.strip('/'))}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
