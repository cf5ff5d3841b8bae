"""The seam on the Kubernetes API: JSON of any API path, from a kubeconfig given as a dict, a path or neither.

Paths are the API's own (``/api/v1/namespaces/x/pods``) and answers are plain dicts, so that what decides on
them can be pure functions that tests feed with plain data. Every failure is a `KubeError` in words.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import ssl
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

from ..no_log import MASK, SECRET, is_text, sound_token
from ..paths import absolute_path
from ..retry import Clock, Policy, Transient, retried, seconds_of
from .answers import error_of, object_of, refuse_nonsense
from .errors import KubeError
from .port_forward import ForwardedPort

KUBERNETES_IMPORT_ERROR: str | None = None
try:
    import kubernetes.client
    import kubernetes.config
    import urllib3
    import urllib3.exceptions
    import yaml
    from kubernetes.config.config_exception import ConfigException
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()
else:
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

_PLUGIN_WORDS = 400

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
        kubeconfig: Mapping[str, Any] | str | None = None,
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
        configuration = _configuration(kubeconfig, context)
        self._given = (kubeconfig, context)
        self._api = kubernetes.client.ApiClient(configuration)
        self._host = str(configuration.host).rstrip("/")
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
        import kubernetes.stream  # noqa: PLC0415 - what few need costs the others no time

        # The client's own port forward changes the ApiClient it uses while it connects: give it one of its own.
        core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(self._api.configuration))
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
            self._api.update_params_for_auth(sent, [], ["BearerToken"], path, method, body)
            try:
                return self._api.rest_client.pool_manager.request(
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
        mine = self._api.configuration
        try:
            now = _configuration(kubeconfig, context)
        except KubeError:
            return False
        if not now.api_key or now.api_key == mine.api_key:
            return False
        mine.api_key, mine.refresh_api_key_hook = now.api_key, now.refresh_api_key_hook
        return True

    def _without_token(self, content: bytes) -> bytes:
        """What a server says of a refusal, which may repeat what it was sent."""
        _kind, _blank, token = self._api.configuration.api_key.get("BearerToken", "").partition(" ")
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


def _configuration(kubeconfig: Mapping[str, Any] | str | None, context: str | None) -> Any:
    configuration = kubernetes.client.Configuration()
    where = "the kubeconfig given"
    kubeconfig = kubeconfig.strip() if isinstance(kubeconfig, str) else kubeconfig
    try:
        if isinstance(kubeconfig, Mapping):
            with _plugin_asked(where, configuration):
                kubernetes.config.load_kube_config_from_dict(
                    dict(kubeconfig),
                    context=context,
                    client_configuration=configuration,
                    persist_config=False,
                )
        else:
            path = kubeconfig or os.environ.get("K8S_AUTH_KUBECONFIG")
            if not path and not context and _is_in_a_pod(configuration):
                _trim_tokens(configuration, "this pod's account")
                return configuration
            path = path or os.environ.get("KUBECONFIG")
            if path and is_text(path):
                # It holds secrets, and is not to be shown.
                raise KubeError(
                    0, "Kubeconfig",
                    "`kubeconfig` is what is in a kubeconfig, as text: give the file's path, or a dict, by "
                    "`| ansible.builtin.from_yaml`.",
                )  # fmt: skip
            where = path or "~/.kube/config"
            with _plugin_asked(where, configuration):
                kubernetes.config.load_kube_config(
                    config_file=absolute_path(path) if path and os.pathsep not in path else path,
                    context=context,
                    client_configuration=configuration,
                    persist_config=False,
                )
        if configuration.cert_file and configuration.key_file:
            # Each connection would fail at it. A password keeps OpenSSL from asking for one.
            pair = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            pair.load_cert_chain(configuration.cert_file, configuration.key_file, password="")
    except (
        ConfigException,
        yaml.YAMLError,
        OSError,
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:
        words = _complaint(error)
        if not isinstance(kubeconfig, Mapping):
            if os.pathsep not in where and not Path(absolute_path(where)).exists():
                words = "there is no such file"
            if not where.startswith(("/", "~")):
                words = f"{words} (a relative path begins in {Path.cwd()})"
        raise KubeError(
            0,
            "Kubeconfig",
            f"cannot use {where}: {words}. Give `kubeconfig` as a path or a dict, "
            "and `context` if it has several.",
        ) from error
    _trim_tokens(configuration, where)
    return configuration


class _Heard(logging.Filter):
    """Keeps what the client only logs: why a kubeconfig's plugin has no credentials. It asks anonymously then."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if Path(record.pathname).name != "kube_config.py":
            return True
        self.words.append(record.getMessage())
        return False


@contextlib.contextmanager
def _plugin_asked(where: str, configuration: Any, *, renews: bool = False) -> Iterator[None]:
    """Raises KubeError, with the words of the kubeconfig's exec plugin, when that was asked for credentials in vain."""
    heard, log = _Heard(), logging.getLogger()
    log.addFilter(heard)
    try:
        yield
    finally:
        log.removeFilter(heard)
    if heard.words and (renews or not (configuration.api_key or configuration.cert_file)):
        words = SECRET.sub(MASK.decode(), " ".join(heard.words[-1].split()))
        raise KubeError(
            0, "Kubeconfig",
            f"cannot use {where}: its plugin for credentials (users[].user.exec) failed: {words[:_PLUGIN_WORDS]}. Run its "
            "command by hand, as the user and with the PATH that Ansible has here, or give a kubeconfig that needs no plugin.",
        )  # fmt: skip


def _complaint(error: Exception) -> str:
    """In one line, and without what is in the file."""
    if isinstance(error, yaml.YAMLError):
        mark = getattr(error, "problem_mark", None)
        return f"it is not YAML{f' (line {mark.line + 1})' if mark else ''}"
    if isinstance(error, ssl.SSLError):
        return "its client certificate and key are no pair of PEM files without a password"
    if isinstance(error, UnicodeError):
        return "it has a character that can't stand there"
    return str(error).split("\n", maxsplit=1)[0].rstrip(".")


def _trim_tokens(configuration: Any, where: str) -> None:
    """Now, and whenever the client reads its token anew: as kubectl does it. Raises KubeError for an unfit one."""
    renew = configuration.refresh_api_key_hook

    def hook(configuration: Any) -> None:
        if renew:
            with _plugin_asked(where, configuration, renews=True):
                renew(configuration)  # Puts itself in this one's place.
            configuration.refresh_api_key_hook = hook
        kind, _blank, token = configuration.api_key.get("BearerToken", "").partition(" ")
        if not kind or kind == "Basic":
            return
        found = sound_token(token)
        if found is None:
            raise KubeError(
                0, "Kubeconfig",
                f"cannot use {where}: its token is empty, or has a blank, a line break, a quote or another character "
                "that no token has. Put it there as it was handed out, and nothing else.",
            )  # fmt: skip
        configuration.api_key["BearerToken"] = f"{kind} {found}"

    hook(configuration)
    configuration.refresh_api_key_hook = hook


def _is_in_a_pod(configuration: Any) -> bool:
    """Whether this is a pod with an account of its own, whose cluster the configuration then has."""
    try:
        kubernetes.config.load_incluster_config(client_configuration=configuration)
    except ConfigException:
        return False
    return True


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
