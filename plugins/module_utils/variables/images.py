"""Images by names that always mean the same. One rule for the images of every role."""

from __future__ import annotations

import re
from collections.abc import Collection

from .reading import Variables

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
# https://github.com/distribution/reference: domain, path, tag, digest.
IMAGE = re.compile(
    rf"(?P<name>(?:(?:localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)*)(?::[0-9]+)?/)?{_PART}(?:/{_PART})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}))?"
)
"""Registry and path in ``name``, then a tag, a digest, or both: the digest decides then."""

_MOVING = re.compile(r"(?:.*[._-])?(?:latest|nightly|edge|stable|master|main)(?:[._-].*)?")


def check_images(variables: Variables, role: str, unused: Collection[str] = ()) -> None:
    """Every variable of a role that names an image, but those in ``unused``."""
    for name in sorted(variables.given):
        if re.fullmatch(rf"{role}_(\w+_)?image", name) and name not in unused:
            _check_image(variables, name)


def _check_image(variables: Variables, name: str) -> None:
    found = IMAGE.fullmatch(variables.text(name))
    if found is None:
        variables.refuse(
            name, "it is no image's name", "Write REGISTRY/PATH:TAG or REGISTRY/PATH@sha256:DIGEST"
        )
    elif not found["digest"] and _moves(found["name"], found["tag"] or "latest"):
        variables.refuse(
            name,
            "what runs would depend on the hour when a node pulled it",
            "Name a version to its last number (:3.0.11), or better a digest (@sha256:…)",
            rule="image-version",
        )


def _moves(name: str, tag: str) -> bool:
    """Tags without a number move, and Docker's official images have tags for each line of versions, as 3.13-slim."""
    is_official = "/" not in name or name.startswith(("docker.io/library/", "library/"))
    return (
        not re.search(r"\d", tag)
        or _MOVING.fullmatch(tag) is not None
        or (is_official and not re.match(r"v?\d+\.\d+\.\d+", tag))
    )
