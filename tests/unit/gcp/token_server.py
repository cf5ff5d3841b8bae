"""Everybody at Google who hands out tokens, on one loopback port, to their published contracts.

OAuth token endpoint: https://developers.google.com/identity/protocols/oauth2/service-account
IAM Credentials: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
Security Token Service: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
Metadata server: https://cloud.google.com/compute/docs/metadata/querying-metadata
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ACCOUNT = "deployer@p.iam.gserviceaccount.com"
AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/ci"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


def private_key(key: rsa.RSAPrivateKey = KEY) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


STALE = "eyJhbGciOiJub25lIn0.e30."  # pragma: allowlist secret


class Refused(Exception):
    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body


def oauth(error: str, description: str) -> Refused:
    return Refused(400, {"error": error, "error_description": description})


def api(status: int, word: str, message: str) -> Refused:
    return Refused(status, {"error": {"code": status, "message": message, "status": word}})


class TokenServer:
    """``skew``: seconds that its clock is ahead; ``lives``: seconds that its tokens do.

    ``may_act_as``: for each identity, whom it may impersonate. ``subjects``: tokens of the identity provider that are
    good, and ``stale`` those that no longer are.
    """

    def __init__(self) -> None:
        self.skew, self.lives = 0.0, 3600
        self.may_act_as: dict[str, set[str]] = {}
        self.subjects = {"subject-1": "ci"}
        self.stale = {STALE}
        self.on_google_cloud = True
        self.issued: dict[str, str] = {}
        self.asked: list[str] = []
        self.url = ""

    def issue(self, identity: str) -> str:
        token = f"ya29.{identity}-{len(self.issued)}"
        self.issued[token] = identity
        return token

    @contextmanager
    def served(self) -> Iterator[TokenServer]:
        handler = type("Handler", (_Handler,), {"owner": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def key_file(self, key: rsa.RSAPrivateKey = KEY) -> dict[str, str]:
        """A service account's key, as Google hands it out."""
        return {
            "type": "service_account", "client_email": ACCOUNT, "private_key_id": "1", "private_key": private_key(key),
            "token_uri": f"{self.url}/token",
        }  # fmt: skip

    def configuration(self, source: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A credential configuration of Workload Identity Federation."""
        return {
            "type": "external_account", "audience": AUDIENCE, "credential_source": source,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": f"{self.url}/v1/token", **more,
        }  # fmt: skip

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        """A service account's assertion for a token."""
        header, payload, signature = form["assertion"].split(".")
        try:
            KEY.public_key().verify(
                _bytes(signature), f"{header}.{payload}".encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            raise oauth("invalid_grant", "Invalid JWT Signature.") from None
        claims = json.loads(_bytes(payload))
        if not claims["iat"] - 300 <= time.time() + self.skew <= claims["exp"]:
            raise oauth(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your "
                "iat and exp values in the JWT claim.",
            )
        return {
            "access_token": self.issue(claims["iss"]), "expires_in": self.lives, "token_type": "Bearer",
        }  # fmt: skip

    def exchange(self, form: dict[str, str]) -> dict[str, Any]:
        """An identity provider's token for one of Google's."""
        if (
            form["grant_type"] != EXCHANGE
            or form["requested_token_type"] != "urn:ietf:params:oauth:token-type:access_token"
        ):
            raise oauth("invalid_request", "Invalid grant type.")
        if form["audience"] != AUDIENCE:
            raise oauth(
                "invalid_target",
                'The target service indicated by the "audience" parameters is invalid. This might either be because the pool or provider is disabled or deleted or because it doesn\'t exist.',
            )
        subject = form["subject_token"]
        if subject in self.stale:
            raise oauth("invalid_grant", f"ID Token issued at 1618595600 is stale to sign-in: {subject}.")
        if self.subjects.get(subject) == "stranger":
            raise Refused(
                400,
                {
                    "error": "unauthorized_client",
                    "error_description": "The given credential is rejected by the attribute condition.",
                },
            )
        if subject not in self.subjects:
            raise oauth("invalid_grant", "Error connecting to the given credential's issuer.")
        return {
            "access_token": self.issue(self.subjects[subject]), "expires_in": self.lives, "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        }  # fmt: skip

    def generate(self, account: str, body: dict[str, Any], bearer: str) -> dict[str, Any]:
        """An identity's token for a service account's."""
        form = "projects/-/serviceAccounts/"
        delegates = body.get("delegates") or []
        if not all(name.startswith(form) for name in delegates):
            raise api(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
        chain = [self.identity(bearer), *(name.removeprefix(form) for name in delegates), account]
        for who, whom in itertools.pairwise(chain):
            if whom not in self.may_act_as.get(who, set()):
                raise api(
                    403,
                    "PERMISSION_DENIED",
                    "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
                )
        seconds = int(body["lifetime"].removesuffix("s"))
        if seconds > 3600:
            raise api(400, "INVALID_ARGUMENT", "The access token lifetime cannot exceed 3600 seconds.")
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + min(seconds, self.lives)))
        return {"accessToken": self.issue(account), "expireTime": ends}

    def identity(self, bearer: str) -> str:
        if bearer not in self.issued:
            raise api(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        return self.issued[bearer]


class _Handler(BaseHTTPRequestHandler):
    owner: TokenServer

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        path = self.path
        if path == "/token":
            self._answer(lambda: self.owner.token(dict(parse_qsl(text))))
        elif path == "/v1/token":
            self._answer(lambda: self.owner.exchange(dict(parse_qsl(text))))
        else:
            account = path.removeprefix("/v1/projects/-/serviceAccounts/").removesuffix(
                ":generateAccessToken"
            )
            self._answer(lambda: self.owner.generate(account, json.loads(text), self._bearer()))

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith("/computeMetadata/") or path == "/":
            self._metadata(path)
        elif path == "/subject":
            good = self.headers["X-Secret"] == "let-me"
            self._send(
                200 if good else 401,
                json.dumps({"id_token": "subject-1", "secret": STALE}),
            )
        else:
            self._answer(lambda: {"name": self.owner.identity(self._bearer())})

    def _metadata(self, path: str) -> None:
        if self.headers["Metadata-Flavor"] != "Google":
            self._send(403, "Forbidden")
            return
        accounts = "/computeMetadata/v1/instance/service-accounts/"
        account, _, what = path.removeprefix(accounts).partition("/")
        if (
            not path.startswith(accounts)
            or not self.owner.on_google_cloud
            or account not in ("default", "machine@p")
        ):
            self._send(404, "not found")
        elif what == "token":
            self._answer(
                lambda: {
                    "access_token": self.owner.issue("machine@p"),
                    "expires_in": 3600,
                    "token_type": "Bearer",
                }
            )
        else:
            self._answer(lambda: {"email": "machine@p", "aliases": ["default"], "scopes": ["x"]})

    def _bearer(self) -> str:
        return str(self.headers["Authorization"] or "").removeprefix("Bearer ")

    def _answer(self, work: Any) -> None:
        self.owner.asked.append(urlsplit(self.path).path)
        try:
            status, body = 200, work()
        except Refused as error:
            status, body = error.status, error.body
        self._send(status, json.dumps(body))

    def _send(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if text.startswith("{") else "text/plain")
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        return


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
