"""A token that is refused in the middle of a wait, over real HTTP with google-auth."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import GoogleError
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import connect
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.client import Gke
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

OPERATION = {"name": "operation-1", "operationType": "CREATE_CLUSTER", "status": "RUNNING"}


class Service(BaseHTTPRequestHandler):
    """Hands out tokens that are good for two requests each; the operation ends with the fifth look."""

    issued, used, looks = 0, 0, 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        Service.issued, Service.used = Service.issued + 1, 0
        self._answer(
            200, {"access_token": f"token-{Service.issued}", "expires_in": 3600, "token_type": "Bearer"}
        )

    def do_GET(self) -> None:
        Service.used += 1
        if self.headers["Authorization"] != f"Bearer token-{Service.issued}" or Service.used > 2:
            self._answer(
                401, {"error": {"code": 401, "message": "Invalid credentials", "status": "UNAUTHENTICATED"}}
            )
            return
        Service.looks += 1
        self._answer(200, {**OPERATION, "status": "DONE" if Service.looks >= 5 else "RUNNING"})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def address() -> Iterator[str]:
    Service.issued = Service.used = Service.looks = 0
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def options(address: str, **more: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("service_account_contents", "service_account_file", "access_token"))
    return {**nothing, "scopes": ["x"], "api_endpoint": address, **more}


def test_a_service_account_gets_another_token_and_waits_on(address: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "client_email": "a@b",
        "private_key": key.decode(),
        "token_uri": f"{address}/token",
        "type": "service_account",
    }
    google = connect(options(address, auth_kind="serviceaccount", service_account_contents=account))
    Gke(google, "p", "l", 60).wait(dict(OPERATION), "cluster c")
    assert Service.issued == 3


def test_a_bare_token_can_not_be_renewed_which_is_told(address: str) -> None:
    Service.issued = 1
    google = connect(options(address, auth_kind="accesstoken", access_token="token-1"))
    with pytest.raises(GoogleError, match="give a fresh one"):
        Gke(google, "p", "l", 60).wait(dict(OPERATION), "cluster c")
