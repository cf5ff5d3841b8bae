"""Which sites use a model in a bucket: labels on the bucket, so that no teardown takes what another one serves. Pure.

A project's sites share the bucket NAME-models unless told otherwise, and with the same model its folder, too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

PREFIX = "tfserving-site-"
"""Of the labels' keys, which go on with a hash of the model's folder and one of the site; their values are for people."""

_LONGEST = 63
"""Characters of a label's value. https://cloud.google.com/storage/docs/tags-and-labels#bucket-labels"""


def label(site: str | None, path: str | None) -> dict[str, str]:
    """The label by which a site says that it uses the folder; none for no site."""
    if not site:
        return {}
    words = re.sub(r"[^a-z0-9_-]+", "_", site.lower())
    return {f"{_of_folder(path)}{_hash(site)}": words[-_LONGEST:]}


def others(labels: Mapping[str, Any] | None, site: str | None, path: str | None) -> list[str]:
    """Other sites that use the folder, in words."""
    return _besides(labels, _of_folder(path), label(site, path))


def neighbours(labels: Mapping[str, Any] | None, site: str | None, path: str | None) -> list[str]:
    """Other sites that use the bucket, whatever folder in it; in words."""
    return _besides(labels, PREFIX, label(site, path))


def every(labels: Mapping[str, Any] | None) -> dict[str, Any]:
    """All labels of sites among these."""
    return {key: value for key, value in (labels or {}).items() if key.startswith(PREFIX)}


def _besides(labels: Mapping[str, Any] | None, beginning: str, own: Mapping[str, str]) -> list[str]:
    found = {
        str(words) for key, words in (labels or {}).items() if key.startswith(beginning) and key not in own
    }
    return sorted(found)


def _of_folder(path: str | None) -> str:
    return f"{PREFIX}{_hash((path or '').strip('/'))}-"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
