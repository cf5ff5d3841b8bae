"""Google's token endpoint, and the question whether a token is valid.

A service account proves itself with a signed assertion (RFC 7523), as google-auth sends it; a pod gets its
token from the metadata server. Tokens are opaque, live an hour, and are forgotten when the daemon ends.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from ..paths import API_URL, state_dir
from .errors import GoogleError

PROJECT = "sandbox-project"
ACCOUNT = f"deployer@{PROJECT}.iam.gserviceaccount.com"
LIFETIME_SECONDS = 3600
# google-auth names Google's endpoint whatever the file's token_uri is.
_AUDIENCES = (f"{API_URL}/token", "https://oauth2.googleapis.com/token")
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Tokens:
    """Issues and checks access tokens. ``now``: seconds since 1970."""

    def __init__(self, key: rsa.RSAPrivateKey, now: Callable[[], float] = time.time) -> None:
        self._key = key
        self._now = now
        self._issued: dict[str, tuple[str, float]] = {}
        # What API servers show when they ask whose a token is.
        self.reviewer = secrets.token_urlsafe(32)

    def now(self) -> float:
        return self._now()

    def issue(self, identity: str, seconds: int = LIFETIME_SECONDS) -> dict[str, Any]:
        """A new token for the identity, in the form of the token endpoint."""
        self._issued = {t: v for t, v in self._issued.items() if v[1] > self._now()}
        token = f"ya29.sandbox-{secrets.token_urlsafe(32)}"
        self._issued[token] = (identity, self._now() + seconds)
        return {"access_token": token, "expires_in": seconds - 1, "token_type": "Bearer"}

    def identity(self, token: str) -> str | None:
        """Whose token it is; None when it is unknown or has expired."""
        identity, expires = self._issued.get(token, ("", 0.0))
        return identity if expires > self._now() else None

    def exchange(self, form: dict[str, str]) -> dict[str, Any]:
        """The token endpoint: a token for a signed assertion. Raises ``GoogleError``."""
        if form.get("grant_type") != _GRANT:
            raise _refused("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type')}")
        claims = self._verified(form.get("assertion", ""))
        if claims.get("aud") not in _AUDIENCES or claims.get("iss") != ACCOUNT:
            raise _refused("invalid_grant", "Invalid JWT: wrong audience or issuer.")
        if not claims.get("iat", 0) - 300 <= self._now() <= claims.get("exp", 0):
            raise _refused("invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes).")
        return self.issue(ACCOUNT)

    def _verified(self, assertion: str) -> dict[str, Any]:
        try:
            header, payload, signature = assertion.split(".")
            self._key.public_key().verify(
                _unpadded(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
            claims = json.loads(_unpadded(payload))
        except (InvalidSignature, ValueError, binascii.Error):
            raise _refused("invalid_grant", "Invalid JWT Signature.") from None
        return dict(claims)

    def review(self, review: dict[str, Any]) -> dict[str, Any]:
        """The answer to an API server's TokenReview.

        The project's owner administers the cluster; everybody else is known, and may what RBAC grants.
        """
        identity = self.identity(review.get("spec", {}).get("token", ""))
        status: dict[str, Any] = {"authenticated": identity is not None}
        if identity is not None:
            groups = ["system:masters"] if identity == ACCOUNT else ["system:authenticated"]
            status["user"] = {"username": identity, "groups": groups}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


def caller(headers: Mapping[str, str], tokens: Tokens) -> str | None:
    """Whose request it is; None for one without credentials. Raises ``GoogleError`` 401."""
    text = headers.get("authorization")
    if text is None:
        return None
    kind, _, token = text.partition(" ")
    identity = tokens.identity(token.strip()) if kind.lower() == "bearer" else None
    if identity is None:
        raise GoogleError(401, "Invalid Credentials", reason="authError")
    return identity


def _refused(error: str, description: str) -> GoogleError:
    return GoogleError(400, f"{error}: {description}", reason=error)


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def load_or_make_key() -> rsa.RSAPrivateKey:
    """The service account's key; its file, as Google hands it out, is made on the first call."""
    path = state_dir() / "service-account.json"
    if path.exists():
        stored = json.loads(path.read_text())["private_key"]
        key = serialization.load_pem_private_key(stored.encode(), None)
        if isinstance(key, rsa.RSAPrivateKey):
            return key
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(
        path,
        json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key_id": secrets.token_hex(20),
                "private_key": pem.decode(),
                "client_email": ACCOUNT,
                "client_id": "100000000000000000001",
                "token_uri": f"{API_URL}/token",
                "universe_domain": "googleapis.com",
            },
            indent=2,
        ),
    )
    return key


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner may read, in one step."""
    draft = path.with_name(f".{path.name}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.rename(path)
