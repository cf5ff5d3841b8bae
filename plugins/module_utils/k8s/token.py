"""How long the token in a kubeconfig is good, as far as it can be told."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..paths import absolute_path

GOOGLES, GOOGLES_SECONDS = "ya29.", 3600.0
"""How Google's access tokens begin, and for how long they are good at most.

https://cloud.google.com/docs/authentication/token-types#access-tokens
"""


def too_short(
    kubeconfig: Mapping[str, Any] | str | None, context: str | None, seconds: float, now: float
) -> str:
    """Why a run of so many seconds can't end well with this kubeconfig; empty where it may.

    A plugin's token, and one that is read from a file, are renewed by whoever made them.
    """
    token = _bare_token(kubeconfig, context)
    ends = expiry(token)
    if ends is not None and ends - now < seconds:
        left = f"ended {now - ends:.0f} s ago" if ends < now else f"ends in {ends - now:.0f} s"
    elif token.startswith(GOOGLES) and seconds > GOOGLES_SECONDS:
        left = f"is good for {GOOGLES_SECONDS:.0f} s at most"
    else:
        return ""
    return (
        f"the kubeconfig's token {left} and nobody renews it, and the load takes {seconds:.0f} s: connect by credentials that can "
        "be renewed (any auth_kind but accesstoken, or kubeconfig_auth exec), or give a shorter shape"
    )


def expiry(token: str) -> float | None:
    """Seconds since 1970 at which a JSON Web Token ends (RFC 7519, `exp`); None where it is none, or does not say."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return None


def _bare_token(kubeconfig: Mapping[str, Any] | str | None, context: str | None) -> str:
    """Of the context's user, where it stands in the kubeconfig itself; empty otherwise."""
    try:
        if not isinstance(kubeconfig, Mapping):
            path = (
                kubeconfig
                or os.environ.get("K8S_AUTH_KUBECONFIG")
                or os.environ.get("KUBECONFIG")
                or "~/.kube/config"
            )
            kubeconfig = dict(yaml.safe_load(Path(absolute_path(path)).read_text(encoding="utf-8")))
        wanted = context or kubeconfig["current-context"]
        (found,) = [one["context"] for one in kubeconfig["contexts"] if one["name"] == wanted]
        (user,) = [one["user"] for one in kubeconfig["users"] if one["name"] == found["user"]]
        return "" if "exec" in user or "tokenFile" in user else str(user.get("token") or "").strip()
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        return ""  # the client says what is wrong with it
