"""IAM policies of projects and service accounts: read, and written by what was read."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable

from ..google.discovery import Json
from ..google.errors import GoogleError

_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(user|group|domain|principal|principalSet|serviceAccount|deleted):\S+"
)
_OWN_ACCOUNT = re.compile(r"serviceAccount:([^@\[\]]+@[^@]+\.iam\.gserviceaccount\.com)")
_EMPTY_ETAG = "ACAB"


class Policies:
    """Policies by the name of what they are of. ``exists``: whether there is a service account of this e-mail."""

    def __init__(self, exists: Callable[[str], bool]) -> None:
        self._exists = exists
        self._all: dict[str, Json] = {}

    def get(self, name: str) -> Json:
        return self._all.get(name, {"etag": _EMPTY_ETAG})

    def forget(self, name: str) -> None:
        self._all.pop(name, None)

    def set(self, name: str, policy: Json) -> Json:
        """Replaces a policy; one that was made from an older one is refused."""
        sent, current = policy.get("etag"), self.get(name)["etag"]
        if sent not in (None, "", current):
            raise GoogleError(
                409,
                "There were concurrent policy changes. Please retry the whole read-modify-write with "
                "exponential backoff.",
                rpc_status="ABORTED",
                reason="aborted",
            )
        bindings = [binding for binding in policy.get("bindings", []) if binding.get("members")]
        for binding in bindings:
            self._check(binding)
        conditional = any("condition" in binding for binding in bindings)
        digest = hashlib.sha256(f"{current}{bindings}".encode()).digest()[:8]
        self._all[name] = {
            "version": 3 if conditional else 1,
            "etag": base64.b64encode(digest).decode(),
            "bindings": bindings,
        }
        return self._all[name]

    def _check(self, binding: Json) -> None:
        role = binding.get("role", "")
        if not re.fullmatch(r"(projects/[^/]+/|organizations/[^/]+/)?roles/[\w.]+", role):
            raise GoogleError(400, f"Role {role} is not supported for this resource.")
        for member in binding["members"]:
            own = _OWN_ACCOUNT.fullmatch(member)
            if not _MEMBER.fullmatch(member):
                raise GoogleError(400, f"Invalid member {member}: it names no kind of identity.")
            if own and not self._exists(own[1]):
                raise GoogleError(400, f"Service account {own[1]} does not exist.")
