"""How a cluster is reached that a kubeconfig is for: connections to its server, and credentials for each request."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import ssl
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from ..no_log import MASK, SECRET, is_text, sound_token
from ..paths import absolute_path
from .errors import KubeError

BASE_IMPORT_ERROR: str | None = None
try:
    import yaml

    from .plain import Plain, plain
except ImportError:
    BASE_IMPORT_ERROR = traceback.format_exc()

Kubeconfig = Mapping[str, Any] | str | None
"""Its content, its path, or neither."""

_PLUGIN_WORDS = 400


class Connection(Protocol):
    """``host``: the server's URL. ``pool``: of urllib3."""

    host: str
    pool: Any

    def authorization(self) -> str:
        """That header of a request now; empty for none. Raises ``KubeError`` where credentials can't be renewed."""


class PlainConnection:
    """By what stands in a kubeconfig. Raises ``OSError`` for certificates that can't be used."""

    def __init__(self, found: Plain) -> None:
        self.host, self.pool = found.host, found.pool()
        self._header = f"Bearer {found.token}" if found.token else ""

    def authorization(self) -> str:
        return self._header


class PackagedConnection:
    """By the package kubernetes, which knows every kind of credentials. Raises ``KubeError``."""

    def __init__(self, kubeconfig: Kubeconfig, context: str | None) -> None:
        self.configuration = configuration(kubeconfig, context)
        self.host = str(self.configuration.host).rstrip("/")
        self.pool = _package().client.ApiClient(self.configuration).rest_client.pool_manager

    def authorization(self) -> str:
        found: Mapping[str, Any] = self.configuration.auth_settings()
        return str(found["BearerToken"]["value"] or "") if found else ""


def connection(kubeconfig: Kubeconfig, context: str | None) -> Connection:
    """Without the package where the kubeconfig allows it. Raises ``KubeError`` for one that can't be used."""
    if found := _plain_one(kubeconfig, context):
        with contextlib.suppress(OSError):  # The package says what is wrong with a certificate.
            return PlainConnection(found)
    return PackagedConnection(kubeconfig, context)


def lacking(kubeconfig: Any, context: str | None) -> str | None:
    """The error of importing what such a kubeconfig needs; None where nothing is missing."""
    if BASE_IMPORT_ERROR or _plain_one(kubeconfig, context):
        return BASE_IMPORT_ERROR
    try:
        _package()
    except ImportError:
        return traceback.format_exc()
    return None


def _plain_one(kubeconfig: Any, context: str | None) -> Plain | None:
    if not isinstance(kubeconfig, Mapping):
        kubeconfig = str(kubeconfig or "").strip() or os.environ.get("K8S_AUTH_KUBECONFIG")
    return plain(kubeconfig, context) if kubeconfig else None


@functools.cache
def _package() -> Any:
    import kubernetes.client  # noqa: PLC0415 what few need costs the others no time
    import kubernetes.config  # noqa: PLC0415

    return kubernetes


def configuration(kubeconfig: Kubeconfig, context: str | None) -> Any:
    """As the package reads it. Raises ``KubeError``."""
    kubernetes = _package()
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
        kubernetes.config.ConfigException,
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
    config = _package().config
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        return False
    return True
