"""Looks for credentials where they must not be: in what a run printed, logged, reported and left behind."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

import yaml

SHORTEST = 16
"""Characters below which a piece of a secret could be in a text by chance."""


def leaks(secrets: Iterable[str], output: str = "", places: Iterable[Path] = ()) -> list[str]:
    """Where in the output, and in all files below the places, a secret is: plain, encoded, or a line of it.

    The secrets themselves are not in what is returned. Raises ``ValueError`` for one too short to look for.
    """
    wanted = [form for secret in secrets for form in forms(secret)]
    if not wanted:
        raise ValueError("no secret to look for: the search would prove nothing")
    found = [
        f"the output, line {output[: output.index(form)].count(chr(10)) + 1}"
        for form in wanted
        if form in output
    ]
    for file in (file for place in places for file in _files(place)):
        content = file.read_bytes()
        if any(form.encode() in content for form in wanted):
            found.append(str(file))
    return sorted(set(found))


def forms(secret: str) -> Iterator[str]:
    """A secret as it may be written: whole, in JSON, in a URL, in base64, and each line of one that has several."""
    lines = [line for line in secret.splitlines() if not line.startswith("-----")]
    for piece in dict.fromkeys([*lines, secret]):
        if len(piece) < SHORTEST:
            if len(lines) > 1:
                continue  # the short end of a key
            raise ValueError(f"a secret of {len(piece)} characters is too short to look for")
        yield piece
        yield json.dumps(piece)[1:-1]
        yield quote(piece)
        yield quote(piece, safe="")
        yield from _base64(piece)


def _base64(piece: str) -> Iterator[str]:
    """The part of its base64 that is the same whatever stands before and behind it, for the three ways to start."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + piece.encode()).decode().rstrip("=")
        yield encoded[-(-shift * 8 // 6) : -1]


def secrets_of(service_account: Path) -> list[str]:
    """The private key in a service account's key file, and its id."""
    content = json.loads(service_account.read_text())
    return [
        content["private_key"],
        *([content["private_key_id"]] if len(content.get("private_key_id", "")) > SHORTEST else []),
    ]


def tokens_in(kubeconfig: Path) -> list[str]:
    """The tokens in a kubeconfig: it may hold them, and nothing else may."""
    users = yaml.safe_load(kubeconfig.read_text())["users"]
    return [user["user"]["token"] for user in users if "token" in user["user"]]


def _files(place: Path) -> Iterator[Path]:
    if place.is_file():
        yield place
    for file in sorted(place.rglob("*")):
        if file.is_file():
            yield file
