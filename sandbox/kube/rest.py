"""The sandbox's own small way to an API server: JSON over HTTPS with the administrator's certificate."""

from __future__ import annotations

from typing import Any

import requests

from .pki import KeyPair

Json = dict[str, Any]
APPLY = {"fieldManager": "sandbox", "force": "true"}


class KubeError(RuntimeError):
    """The API server's refusal; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class KubeRest:
    """Requests to one API server. Raises ``KubeError`` for a refusal, ``requests`` errors when it is away."""

    def __init__(self, server: str, authority: str, client: KeyPair) -> None:
        self._server = server
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = authority
        self._session.cert = (str(client.certificate), str(client.key))

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        **query: str,
    ) -> Json:
        answer = self._session.request(
            method,
            self._server + path,
            params=query,
            json=body,
            headers={"Content-Type": content_type},
            timeout=15,
        )
        if answer.status_code >= 400:
            try:
                message = answer.json().get("message", answer.text)
            except ValueError:
                message = answer.text
            raise KubeError(answer.status_code, message)
        return answer.json() if answer.content[:1] == b"{" else {}

    def get(self, path: str, **query: str) -> Json:
        return self.request("GET", path, **query)

    def apply(self, path: str, manifest: Json) -> Json:
        """Server-side apply of one object at its path."""
        return self.request("PATCH", path, manifest, content_type="application/apply-patch+yaml", **APPLY)

    def ready(self) -> bool:
        try:
            answer = self._session.get(self._server + "/readyz", timeout=2)
        except requests.RequestException:
            return False
        return answer.status_code == 200
