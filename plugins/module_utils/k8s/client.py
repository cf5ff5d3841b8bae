"""The seam on the Kubernetes API: JSON of any API path, from a kubeconfig given as a dict, a path or neither.

Paths are the API's own (``/api/v1/namespaces/x/pods``) and answers are plain dicts, so that what decides on
them can be pure functions that tests feed with plain data. Every failure is a `KubeError` in words.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode

from ..no_log import MASK
from ..retry import Clock, Policy, Transient, retried, seconds_of
from .answers import error_of, object_of, refuse_nonsense
from .connection import Kubeconfig, configuration, connection
from .errors import KubeError
from .port_forward import ForwardedPort

with contextlib.suppress(ImportError):  # `lacking` says so
    import urllib3
    import urllib3.exceptions

    _NEVER_REACHED = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)

Json = dict[str, Any]

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a TCP connection; an API server that is there answers in milliseconds."""

READ_TIMEOUT = 30.0
"""Seconds between two bytes of an answer: above the API server's own slow calls, below a task's patience."""

APPLY = "application/apply-patch+yaml"
"""Content type of a server-side apply."""

READS = Policy(attempts=7, first=0.5, longest=4.0, deadline=45.0)
"""Of one read: some ten seconds of short answers, in which a load balancer finds another API server; two time-outs."""

CONNECTS = Policy(attempts=3, first=0.3, longest=1.0)
"""Of everything else: only what never reached the server is sent again, since a lost answer may have been an effect."""


class KubeApi(Protocol):
    """What the rest of the collection needs of a cluster; `KubeClient` is the real one."""

    def get(self, path: str, **query: object) -> Json: ...

    def get_or_none(self, path: str, **query: object) -> Json | None: ...

    def post(self, path: str, body: Json | None = None, *, content_type: str = ...) -> Json: ...

    def patch(self, path: str, body: Any = None, *, content_type: str = ...) -> Json: ...

    def delete(self, path: str, body: Json | None = None, *, content_type: str = ...) -> Json: ...

    def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> tuple[int, dict[str, str], bytes]: ...


class KubeClient:
    """A client of one cluster's API server. Safe to share between threads.

    What `get` and `get_or_none` read is asked for again where a failure may pass, and so is a dry run; all else is
    sent once.
    """

    def __init__(
        self,
        kubeconfig: Kubeconfig = None,
        context: str | None = None,
        *,
        reads: Policy = READS,
        clock: Clock | None = None,
    ) -> None:
        """Reads the kubeconfig: a dict, a path, or None for what kubernetes.core takes then:
        K8S_AUTH_KUBECONFIG, the cluster of the pod that this runs in, KUBECONFIG, ~/.kube/config.

        `reads`: how a read is tried again.

        Raises KubeError(reason="Kubeconfig") when it is missing or unusable; does not connect yet.
        """
        self._given = (kubeconfig, context)
        self._connection = connection(kubeconfig, context)
        self._host = self._connection.host
        self._reads = reads
        self._clock = clock or Clock()

    @property
    def host(self) -> str:
        """The API server's URL, for messages."""
        return self._host

    def get(self, path: str, **query: object) -> Json:
        return self._again("GET", path, query=query)

    def get_or_none(self, path: str, **query: object) -> Json | None:
        """As `get`, with None for what does not exist."""
        try:
            return self.get(path, **query)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, body: Json | None = None, *, content_type: str = "application/json") -> Json:
        return self._json("POST", path, body=body, content_type=content_type)

    def patch(
        self, path: str, body: Any = None, *, content_type: str = "application/merge-patch+json"
    ) -> Json:
        # A dry run changes nothing, and what is applied twice is as it was after the first time.
        send = self._again if "dryRun=All" in path or content_type == APPLY else self._json
        return send("PATCH", path, body=body, content_type=content_type)

    def delete(self, path: str, body: Json | None = None, *, content_type: str = "application/json") -> Json:
        # With preconditions it can meet nothing that came meanwhile.
        send = self._again if (body or {}).get("preconditions") else self._json
        return send("DELETE", path, body=body, content_type=content_type)

    def raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """One request as it is, for the API server's proxy: status, headers (lower-case names), body.

        Never raises for an HTTP status; raises KubeError(status 0) when there was no answer.
        """
        response = self._request(
            method,
            path,
            query=query or {},
            body=body,
            headers=headers or {},
            timeout=timeout or READ_TIMEOUT,
        )
        try:
            content: bytes = response.data
        except urllib3.exceptions.HTTPError as error:
            raise self._no_answer(method, path, error) from error
        return response.status, {name.lower(): value for name, value in response.headers.items()}, content

    def watch(
        self, path: str, *, resource_version: str, timeout_seconds: int, **query: object
    ) -> Iterator[Json]:
        """Events {"type", "object"} of a list path since `resource_version`, until the server ends the watch.

        Raises KubeError, status 410 when the resource version is too old (list again and start over).
        """
        query = {
            **query,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": timeout_seconds,
        }
        response = self._request(
            "GET",
            path,
            query=query,
            body=None,
            headers={},
            timeout=timeout_seconds + READ_TIMEOUT,
            stream=True,
        )
        try:
            if response.status >= 400:
                raise error_of(f"GET {path}", response.status, self._without_token(response.data))
            for event in _lines(response.stream(65536)):
                if event.get("type") == "ERROR":
                    status = event.get("object", {})
                    raise KubeError(
                        int(status.get("code", 0)),
                        str(status.get("reason", "")),
                        f"GET {path} (watch): {status.get('message', '')}",
                    )
                yield event
        except urllib3.exceptions.HTTPError as error:
            raise self._no_answer("GET", path, error) from error
        finally:
            response.close()
            response.release_conn()

    def port_forward(self, namespace: str, pod: str, port: int) -> ForwardedPort:
        """A new connection to a TCP port of a pod; raises KubeError when the API server refuses it.

        Whether anything listens on the port shows later (`ForwardedPort.error`).
        """
        import kubernetes.client  # noqa: PLC0415 - what few need costs the others no time
        import kubernetes.stream  # noqa: PLC0415

        # The client's own port forward changes the ApiClient it uses while it connects: give it one of its own.
        found = getattr(self._connection, "configuration", None) or configuration(*self._given)
        core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(found))
        try:
            forward = kubernetes.stream.portforward(
                core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port)
            )
        except kubernetes.client.exceptions.ApiException as error:
            words = " ".join(str(error.reason).split())[:300]
            raise KubeError(
                0,
                "PortForward",
                f"no port forward to port {port} of pod {pod} in namespace {namespace}: {words}. "
                "The identity in the kubeconfig needs the verbs get and create on pods/portforward.",
            ) from error
        return ForwardedPort(forward, port)

    def _again(self, method: str, path: str, **request: Any) -> Json:
        """As `_json`, for what may be sent twice: tried again while a failure may pass."""

        def once() -> Json:
            try:
                answer = self._json(method, path, **request)
                refuse_nonsense(f"{method} {path}", answer)
            except KubeError as error:
                if error.passing:
                    raise Transient(error, error.retry_after) from error
                raise
            return answer

        return retried(once, self._reads, self._clock)

    def _json(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Json:
        payload = None if body is None else json.dumps(body).encode()
        headers = {} if payload is None else {"content-type": content_type}
        status, told, content = self.raw(method, path, query=query, body=payload, headers=headers)
        if status >= 400:
            content = self._without_token(content)
            error = error_of(f"{method} {path}", status, content)
            error.retry_after = seconds_of(told.get("retry-after"), self._clock.wall())
            raise error
        return object_of(f"{method} {path}", status, content, self._host)

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object],
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
        stream: bool = False,
    ) -> Any:
        sent = {"accept": "application/json", **{name.lower(): value for name, value in headers.items()}}
        words = urlencode({name: value for name, value in query.items() if value is not None})
        url = self._host + path + (f"?{words}" if words else "")

        def once() -> Any:
            if header := self._connection.authorization():
                sent["authorization"] = header
            try:
                return self._connection.pool.request(
                    method,
                    url,
                    body=body,
                    headers=sent,
                    timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=timeout),
                    # Its own would take a pod's 503 with Retry-After for no answer.
                    retries=False,
                    preload_content=not stream,
                    redirect=False,
                )
            except urllib3.exceptions.HTTPError as error:
                failed = self._no_answer(method, path, error)
                raise (Transient(failed) if isinstance(error, _NEVER_REACHED) else failed) from error
            except ValueError:
                # Its text may hold the header that it complains of, credentials included.
                raise KubeError(
                    0, "Kubeconfig",
                    f"{method} {path}: no request can be made of the kubeconfig's address and credentials for "
                    f"{self._host}: see that its server is an address, and its key and certificate files are PEM.",
                ) from None  # fmt: skip

        answer = retried(once, CONNECTS, self._clock)
        if answer.status == 401 and self._has_another_token():
            answer.close()
            answer = retried(once, CONNECTS, self._clock)  # what was refused had no effect
        return answer

    def _has_another_token(self) -> bool:
        """Whether the kubeconfig has one by now, which is then taken: a run may be longer than its first token lives."""
        kubeconfig, context = self._given
        if isinstance(kubeconfig, Mapping):
            return False
        try:
            now = connection(kubeconfig, context)
            new = now.authorization()
            if not new or now.host != self._host or new == self._connection.authorization():
                return False
        except KubeError:
            return False
        self._connection = now
        return True

    def _without_token(self, content: bytes) -> bytes:
        """What a server says of a refusal, which may repeat what it was sent."""
        _kind, _blank, token = self._connection.authorization().partition(" ")
        return content.replace(token.encode(), MASK) if token else content

    def _no_answer(self, method: str, path: str, error: Exception) -> KubeError:
        text = str(error).split("): ", 1)[-1]
        if "CERTIFICATE_VERIFY_FAILED" in text:
            hint = "The kubeconfig's certificate authority is not this server's: fetch the kubeconfig again."
        elif isinstance(error, urllib3.exceptions.ReadTimeoutError):
            hint = "The API server is there but slow: look at its load, or try again."
        else:
            hint = "Is the cluster running, and is its address reachable from here (firewall, VPN)?"
        return KubeError(0, "NoAnswer", f"{method} {path}: no answer from {self._host}: {text}. {hint}")


def _lines(chunks: Iterator[bytes]) -> Iterator[Json]:
    """JSON documents, one a line, from a stream cut anywhere."""
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        *complete, buffer = buffer.split(b"\n")
        for line in complete:
            if line.strip():
                event = json.loads(line)
                if isinstance(event, dict):
                    yield event
