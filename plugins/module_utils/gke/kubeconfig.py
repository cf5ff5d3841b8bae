"""A kubeconfig for a cluster that needs neither gcloud nor a plugin."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..gcp.errors import GoogleError

Json = dict[str, Any]


def kubeconfig(cluster: Json, project: str, token: str) -> Json:
    """For a cluster as the API shows it. Context and user are named as gcloud names them."""
    name = f"gke_{project}_{cluster['location']}_{cluster['name']}"
    server = {
        "server": f"https://{cluster['endpoint']}",
        "certificate-authority-data": cluster["masterAuth"]["clusterCaCertificate"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": server}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
        "preferences": {},
    }


def write(path: str, content: Json) -> bool:
    """Writes the file in one step with mode 0600. Whether anything but the token, which is new each time, changed."""
    target = Path(path).expanduser()
    before = _without_token(_read(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        Path(draft).replace(target)
    except OSError as error:
        raise GoogleError(f"The kubeconfig can't be written to {target}: {error.strerror}.") from error
    return before != _without_token(content)


def _read(path: Path) -> Json:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _without_token(content: Json) -> Json:
    return {key: value for key, value in content.items() if key != "users"}
