"""A kubeconfig that a run before has written, and that is as good as a new one: who wants it may do without asking Google."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC
from pathlib import Path
from typing import Any

from ..paths import absolute_path
from .kubeconfig import context_name, noted
from .schema import Json

_LEFT = 600.0
"""Seconds for which its token has to be good."""

_ASKED = ("impersonate_service_account", "impersonate_service_account_delegates", "scopes", "api_endpoint", "kubeconfig_endpoint")  # fmt: skip


def note(params: Json, signed: Any) -> Json | None:
    """By whom a token was asked for, and until when it is good; None where its options do not tell that. ``signed``: by google-auth."""
    key = _key(params)
    if not key or getattr(signed, "expiry", None) is None:
        return None
    return {"by": key, "until": signed.expiry.replace(tzinfo=UTC).timestamp()}


def known(params: Json, now: float) -> str:
    """The name of the current context of the options' file, where it is of the same cluster, has a token of the same account and that
    is good for a while; else empty. Whether the cluster is there still, its API server says.
    """
    name = context_name(params["project"], params["location"], params["name"])
    there = noted(absolute_path(params["kubeconfig_file"]), name)
    is_good = params["kubeconfig_auth"] == "token" and there.get("by") and there["by"] == _key(params)
    return name if is_good and float(there.get("until") or 0) - now > _LEFT else ""


def _key(params: Json) -> str:
    """A hash of a service account's key and of what is asked with it. Of other accounts no option says who they are."""
    if params["auth_kind"] != "serviceaccount":
        return ""
    contents, file = params["service_account_contents"], params["service_account_file"]
    try:
        key = contents or Path(absolute_path(file or "")).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    asked = [key, *(params.get(name) for name in _ASKED)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
