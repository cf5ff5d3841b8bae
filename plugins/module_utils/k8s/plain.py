"""Kubeconfigs that need nothing but urllib3: an address, and a token or a client certificate that stand in them.

The package kubernetes reads every kind, and importing it takes longer than all that a look at a site asks.
"""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import getproxies

import urllib3
import yaml
from urllib3.util.ssl_ import create_urllib3_context

from ..no_log import sound_token
from ..paths import absolute_path
from ..plain_yaml import read_yaml

Json = dict[str, Any]

_CLUSTER = {"server", "certificate-authority", "certificate-authority-data", "extensions"}
_USER = {"token", "client-certificate", "client-certificate-data", "client-key", "client-key-data"}
_CONNECTIONS = 10
"""Kept of those that threads need at a time; the package's own number on two cores."""


@dataclass(frozen=True)
class Plain:
    """What is in such a kubeconfig; certificates and their key as PEM."""

    host: str
    token: str = ""
    authority: str = ""
    certificate: str = ""
    key: str = ""

    def pool(self) -> Any:
        """Connections to the server. Raises ``OSError`` for a certificate and a key that are no pair, or no PEM."""
        if not self.host.startswith("https:"):
            return urllib3.PoolManager(maxsize=_CONNECTIONS)
        context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED)
        if self.authority:
            context.load_verify_locations(cadata=self.authority)
        else:
            context.load_default_certs()
        if self.certificate and self.key:
            with tempfile.NamedTemporaryFile(
                "w", suffix=".pem"
            ) as file:  # OpenSSL reads them from a file only
                file.write(f"{self.certificate}\n{self.key}\n")
                file.flush()
                # A password keeps OpenSSL from asking for one.
                context.load_cert_chain(file.name, password="")
        return urllib3.PoolManager(maxsize=_CONNECTIONS, cert_reqs="CERT_REQUIRED", ssl_context=context)


def plain(kubeconfig: Mapping[str, Any] | str, context: str | None) -> Plain | None:
    """None for what the package has to read: another kind, one behind a proxy, or one of which it says what is wrong."""
    if getproxies().keys() - {"no"}:
        return None
    try:
        if isinstance(kubeconfig, str):
            kubeconfig = read_yaml(Path(absolute_path(kubeconfig)).read_bytes())
        return _plain(kubeconfig, context)
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError):
        return None


def _plain(content: Any, context: str | None) -> Plain | None:
    place = _named(content["contexts"], content["current-context"] if context is None else context)["context"]
    cluster = _named(content["clusters"], place["cluster"])["cluster"]
    user = _named(content["users"], place["user"])["user"]
    values = [value for given in (cluster, user) for name, value in given.items() if name != "extensions"]
    if (
        cluster.keys() - _CLUSTER
        or user.keys() - _USER
        or not all(isinstance(value, str) and value for value in values)
    ):
        return None
    host = cluster["server"].rstrip("/")
    token = sound_token(user["token"]) if "token" in user else ""
    if not host.startswith(("http://", "https://")) or token is None:
        return None
    if host.startswith("http:"):
        return Plain(host, token)
    authority, certificate, key = (
        _pem(given, name)
        for given, name in ((cluster, "certificate-authority"), (user, "client-certificate"), (user, "client-key"))
    )  # fmt: skip
    return Plain(host, token, authority, certificate, key)


def _named(listed: Iterable[Json], name: str) -> Json:
    """Raises ``ValueError`` but for one of that name."""
    (found,) = (one for one in listed if one["name"] == name)
    return found


def _pem(given: Json, name: str) -> str:
    """Of a file, or of what stands there in base64. Relative paths are for the package, and so is what is no PEM."""
    if f"{name}-data" in given:
        found = base64.b64decode(given[f"{name}-data"]).decode("ascii")
    elif name in given and Path(given[name]).is_absolute():
        found = Path(given[name]).read_text(encoding="ascii")
    elif name in given:
        raise ValueError(given[name])
    else:
        return ""
    if "-----BEGIN" not in found:
        # Without an authority, those of the system would do.
        raise ValueError(name)
    return found
