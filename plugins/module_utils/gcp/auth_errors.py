"""Why Google gave no access token, in one sentence with the way out, and without any secret."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

from ..no_log import SECRET

_CAUSES = (
    # What the complaint says, and what to do about it. The first that fits counts.
    ("necessary fields", "Google does not accept the access token that was given, or no longer: give a fresh one."),
    ("invalid jwt signature", "Google does not know this key of the service account, or no longer: create a new one."),
    (
        "short-lived token|iat and exp|in the future|not yet valid|used too early|token_lifetime",
        "This machine's clock says {now}: if that is wrong, set it (NTP); if it is right, that of the token's issuer.",
    ),
    (
        r"serviceaccounts\.getaccesstoken|permission.*denied",
        "Grant roles/iam.serviceAccountTokenCreator on {impersonated} to the account whose credentials were given{by}.",
    ),
    ("has not been used in project|service_disabled", "Enable iamcredentials.googleapis.com in that account's project."),
    (
        "gaia id not found|account not found|unknown service account|account.*(deleted|disabled)",
        "Is {impersonated} spelled right, does it exist, and is it enabled?",
    ),
    ("lifetime", "Lower impersonate_service_account_lifetime to 3600, or have the organization policy allow more."),
    ("expired or revoked|reauth", "Sign in again: gcloud auth application-default login."),
    ("invalid_scope|invalid scope", "See that scopes are OAuth scopes of Google's, whole addresses."),
    (
        "attribute condition",
        "The provider's attribute condition does not let this identity in: see it with "
        "`gcloud iam workload-identity-pools providers describe`.",
    ),
    (
        r"invalid_target|audience",
        "Does the audience in the credential configuration name a provider that exists and is enabled, and does that "
        "provider allow the audience of the token?",
    ),
    (
        "stale|expired",
        "The identity provider's token is too old: let what writes it{source} write a new one, and run again.",
    ),
    (
        "file '.*' was not found|subject.?token|invalid_grant|invalid_request|invalid_client",
        "See that the credential configuration's source{source} has a token of the identity provider.",
    ),
    (
        "metadata",
        "auth_kind=machineaccount works on Google Cloud only, where the machine has a service account: give another kind "
        "elsewhere.",
    ),
)  # fmt: skip

_ANYTHING = "Is the account's key still valid, and is the clock right?"


def auth_failure(error: Exception, params: Mapping[str, Any]) -> str:
    """google-auth's complaint in one line, with the way out. ``params``: the module's options."""
    words = complaint(error)
    impersonated = params.get("impersonate_service_account")
    delegates = params.get("impersonate_service_account_delegates") or []
    values = {
        "now": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "impersonated": impersonated or "the service account",
        "by": f", along the chain of {', '.join(delegates)}" if delegates else "",
        "source": _source(params.get("external_account_file")),
    }
    hint = next((way for sign, way in _CAUSES if re.search(sign, words, re.IGNORECASE)), _ANYTHING)
    if hint.startswith("Google does not"):
        return hint if "necessary fields" in words else f"{hint} ({words})"
    for_whom = f" for {impersonated}" if impersonated else ""
    return f"Google gave no access token{for_whom}: {words}. {hint.format(**values)}"


def complaint(error: Exception) -> str:
    """What google-auth and the service behind it say, in one line."""
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    first, *others = error.args or [type(error).__name__]
    said = [SECRET.sub("***", part) for part in (str(first), _message(others[0] if others else ""))]
    # Of the first, which may be an answer as it came, only the beginning.
    said[0] = (said[0].splitlines() or [""])[0]
    return " ".join(": ".join(part.strip().rstrip(".") for part in said if part).split())[:500]


def _message(body: Any) -> str:
    """The message in the answer that google-auth got; nothing else of it, since it may be anybody's."""
    try:
        found = json.loads(body) if isinstance(body, str | bytes) else body
        error = found["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _source(path: Any) -> str:
    """Where a credential configuration takes its token from; the file may have gone meanwhile."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 a path or None
            source = json.load(file)["credential_source"]
        where = source.get("file") or source.get("url")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    return f" ({where})" if where else ""


def unreachable(error: Exception) -> str:
    """That no answer came from who hands out tokens, and from whom, where the error tells."""
    found = re.search(r"host='([^']+)', port=(\d+)", str(error))
    where = f"{found[1]}:{found[2]}" if found else "Google's token endpoint"
    return f"no access token, since {where} can't be reached: {cause(error)}. Is it reachable from here?"


def cause(error: Exception) -> str:
    """The innermost reason: the outer ones repeat it with object addresses."""
    while error.args and isinstance(error.args[-1], Exception):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    return str(reason or error).rpartition(": ")[2] or type(error).__name__
