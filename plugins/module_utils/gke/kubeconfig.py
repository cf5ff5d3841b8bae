"""A kubeconfig for a cluster, and its place in a file that may have others."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..gcp.errors import BadInput, GoogleError
from ..paths import absolute_path
from .schema import Json, look_up

EXEC_USER: Json = {
    "exec": {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "installHint": "Install gke-gcloud-auth-plugin, or ask for a token (kubeconfig_auth: token).",
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": True,
    }
}
"""Asks Google's plugin for a token each time: for a file that is to last."""


_NOTE = "mlops.tfserving"
_KINDS = ("clusters", "users", "contexts")
_NO_KUBECONFIG = "{} is there and is no kubeconfig: nothing was written. Give another path, or remove it."


def token_user(token: str) -> Json:
    """Needs nothing beside it, and is good for an hour at most."""
    return {"token": token}


def context_name(project: str, location: str, name: str) -> str:
    """As gcloud names it."""
    return f"gke_{project}_{location}_{name}"


def kubeconfig(
    cluster: Json, project: str, user: Json, endpoint: str = "ip", note: Json | None = None
) -> Json:
    """For a cluster as the API shows it. ``endpoint``: ip, dns or private. Raises ``BadInput`` without such a one.

    ``note``: what is to be known of it when it is read again; kubectl passes over it.
    """
    about = {"extensions": [{"name": _NOTE, "extension": note}]} if note else {}
    name = context_name(project, cluster["location"], cluster["name"])
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": _server(cluster, endpoint)}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **about}}],
        "current-context": name,
        "preferences": {},
    }


def noted(path: str, name: str) -> Json:
    """The note of the current context, if that is its name; empty where there is none, or no such file."""
    try:
        found = _read(Path(path))[0]
        (place,) = (
            one["context"] for one in found["contexts"] if one["name"] == name == found["current-context"]
        )
        (note,) = (one["extension"] for one in place["extensions"] if one["name"] == _NOTE)
    except (OSError, GoogleError, LookupError, TypeError, ValueError, AttributeError):
        return {}
    return dict(note) if isinstance(note, dict) else {}


def _server(cluster: Json, endpoint: str) -> Json:
    """The address, and the cluster's own certificate authority where that vouches for it."""
    endpoints = "controlPlaneEndpointsConfig"
    if endpoint == "dns":
        address = look_up(cluster, f"{endpoints}.dnsEndpointConfig.endpoint")
        if not address:
            raise BadInput(f"cluster {cluster['name']} has no DNS endpoint: take kubeconfig_endpoint: ip.")
        return {"server": f"https://{address}"}
    if look_up(cluster, f"{endpoints}.ipEndpointsConfig.enabled") is False:
        raise BadInput(
            f"cluster {cluster['name']} has no IP endpoints (they are off): take kubeconfig_endpoint: dns."
        )
    address = cluster.get("endpoint")
    if endpoint == "private":
        address = look_up(cluster, f"{endpoints}.ipEndpointsConfig.privateEndpoint")
        address = address or look_up(cluster, "privateClusterConfig.privateEndpoint")
    if not address:
        raise BadInput(f"cluster {cluster['name']} has no {endpoint} endpoint that could be reached.")
    return {
        "server": f"https://{address}",
        "certificate-authority-data": cluster["masterAuth"]["clusterCaCertificate"],
    }


def merge(existing: Json, content: Json, *, current: bool) -> Json:
    """A kubeconfig with the content's entries in place of those with their names; all else stays. Pure.

    ``current``: whether the context becomes the current one; otherwise it does so only where there is none.
    """
    merged = {**existing}
    for kind in _KINDS:
        own = {entry["name"] for entry in content[kind]}
        merged[kind] = [e for e in existing.get(kind) or [] if e.get("name") not in own] + content[kind]
    if current or not existing.get("current-context"):
        merged["current-context"] = content["current-context"]
    return {"apiVersion": "v1", "kind": "Config", **merged}


def without(existing: Json, name: str) -> Json:
    """A kubeconfig without the entries of that name; all else stays. Pure."""
    left = {**existing}
    for kind in _KINDS:
        if existing.get(kind):
            left[kind] = [entry for entry in existing[kind] if entry.get("name") != name]
    if existing.get("current-context") == name:
        left["current-context"] = ""
    return left


def forget(path: str, name: str, *, check_mode: bool) -> bool:
    """Takes a cluster's entries out of a file; whether there were any. A file that had no others goes as a whole.

    A file that is no kubeconfig is left as it is. Raises ``GoogleError``.
    """
    target = Path(absolute_path(path)).resolve()
    try:
        found, as_json = _read(target)
    except BadInput:
        return False
    except OSError as error:
        raise GoogleError(f"The kubeconfig {target} can't be read: {error.strerror}.") from error
    left = without(found, name)
    if left == found:
        return False
    if not check_mode:
        try:
            if any(left.get(kind) for kind in _KINDS):
                _replace(target, left, as_json=as_json)
            else:
                target.unlink()
        except OSError as error:
            raise GoogleError(f"The kubeconfig can't be written to {target}: {error.strerror}.") from error
    return True


def _replace(target: Path, content: Json, *, as_json: bool) -> None:
    """The file's new content, in one step, with mode 0600."""
    descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) if as_json else _as_yaml(content))
    Path(draft).replace(target)


def check_writable(path: str) -> None:
    """Refuses, before anything is made, a file that `write` could not write. Raises ``GoogleError``."""
    target = Path(absolute_path(path)).resolve()
    folder = next(parent for parent in target.parents if parent.exists())
    try:
        if target.exists():
            _read(target)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise GoogleError(f"The kubeconfig can't be written to {target}: {error.strerror}.") from error


def _read(target: Path) -> tuple[Json, bool]:
    """What is in the file, if anything, and whether it is JSON. Raises ``BadInput`` for what is no kubeconfig."""
    try:
        text = target.read_text(encoding="utf-8") if target.exists() else ""
    except UnicodeDecodeError as error:
        raise BadInput(_NO_KUBECONFIG.format(target)) from error
    return _parse(text, target) if text.strip() else ({}, True)


def write(path: str, content: Json, *, current: bool = False) -> None:
    """Puts the content into a file, new or not, in one step, with mode 0600. Raises ``GoogleError``.

    A file that can't be read as a kubeconfig is refused and left as it is.
    """
    target = Path(absolute_path(path)).resolve()  # A link stays one.
    try:
        merged, as_json = _read(target)
        merged = merge(merged, content, current=current)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(target, merged, as_json=as_json)
    except OSError as error:
        raise GoogleError(f"The kubeconfig can't be written to {target}: {error.strerror}.") from error


def _parse(text: str, path: Path) -> tuple[Json, bool]:
    """An existing kubeconfig, and whether it is JSON."""
    try:
        found, as_json = json.loads(text), True
    except ValueError:
        found, as_json = _from_yaml(text), False
    entries = [found.get(kind) or [] for kind in _KINDS] if isinstance(found, dict) else []
    sound = entries and all(
        isinstance(listed, list) and all(isinstance(entry, dict) for entry in listed) for listed in entries
    )
    if not sound or found.get("kind", "Config") != "Config":
        raise BadInput(_NO_KUBECONFIG.format(path))
    return found, as_json


def _from_yaml(text: str) -> Any:
    yaml = _yaml()
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeError):
        return None


def _as_yaml(content: Json) -> str:
    return str(_yaml().safe_dump(content, sort_keys=False))


def _yaml() -> Any:
    try:
        import yaml  # noqa: PLC0415 only a kubeconfig that is YAML needs it
    except ImportError as error:
        raise GoogleError("The kubeconfig is YAML: install PyYAML, or give another path.") from error
    return yaml
