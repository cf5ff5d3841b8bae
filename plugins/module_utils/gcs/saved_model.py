"""What the module gcs_saved_model does with a model's versions: publish, remove, prune, list."""

from __future__ import annotations

import datetime
import getpass
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

from ..digits import natural
from ..gcp.errors import BadInput
from ..gcp.rest import connect
from ..progress import progress
from ..saved_model.archive import SUFFIXES, is_archive, unpack
from ..saved_model.errors import InvalidModel
from ..saved_model.files import MANIFEST
from .bucket import check_name
from .manifest import make_manifest
from .publish import Busy, Version, plan, prunable, some
from .publisher import Model
from .source import Folder, Prefix, Source, is_prefix
from .storage import Storage

Json = dict[str, Any]


def converge(params: Json, check_mode: bool) -> Json:
    """The module's result; raises GoogleError."""
    params = {**params, "path": params["path"].strip("/")}
    check(params)
    storage = Storage(connect(params))
    model = Model(storage, params["bucket"], params["path"], progress)
    if params["state"] == "present":
        return _present(storage, model, params, check_mode)
    if params["state"] == "listed":
        return _listed(model)
    return (_absent if params["state"] == "absent" else _pruned)(model, params, check_mode)


def check(params: Json) -> None:
    """Refuses what can't be meant, before anything is asked."""
    check_name(params["bucket"])
    needed = {"present": "source", "absent": "version", "pruned": "keep"}.get(params["state"])
    if needed is not None and params[needed] in (None, ""):
        raise BadInput(f"state={params['state']} needs {needed}.")
    if params["version"] is not None and not 1 <= params["version"] < 2**63:
        raise BadInput(f"version {params['version']}: versions are numbered from 1.")
    if params["keep"] is not None and params["keep"] < 1:
        raise BadInput(f"keep {params['keep']}: at least the newest version stays.")
    parts = params["path"].split("/")
    if any(part in ("", ".", "..") for part in parts) or any(ord(c) < 32 for c in params["path"]):
        raise BadInput(
            f"path {params['path']!r}: a model's path is folders' names with slashes between them."
        )
    if natural(parts[-1]) is not None:
        raise BadInput(
            f"path {params['path']!r} ends with a number, which TF Serving would take for a version: the path is the "
            "model's folder, and the version's number is the option version."
        )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _creator() -> str:
    """Who publishes. A container may run as a user that has no name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _open_source(storage: Storage, params: Json, scratch: str) -> Source:
    source = params["source"]
    if is_prefix(source):
        return Prefix(storage, source)
    if is_archive(source) and not Path(source).is_dir():
        try:
            return Folder(str(unpack(Path(source), Path(scratch), params["archive_size_max"])), source)
        except InvalidModel as error:
            raise BadInput(f"{error}.") from error
    if Path(source).is_file():
        raise BadInput(
            f"source {source} is a file: give the folder of a SavedModel, or an archive of it ({', '.join(SUFFIXES)})."
        )
    return Folder(source)


def _lines(names: list[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _present(storage: Storage, model: Model, params: Json, check_mode: bool) -> Json:
    bucket, path = params["bucket"], params["path"]
    with tempfile.TemporaryDirectory(prefix="saved-model-") as scratch:
        source = _open_source(storage, params, scratch)
        versions = model.versions(lenient=check_mode)
        todo = plan(source.files, versions, params["version"], now=_now())
        current = versions.get(todo.version, Version(todo.version))
        prefix = f"{path}/{todo.version}"
        created = [f"{prefix}/{name}" for name in todo.upload]
        there = sorted(f"{prefix}/{name}" for name in current.objects)
        claim = [f"{path}/.publishing/{todo.version}.json"] if todo.release else []
        result: Json = {
            "changed": todo.changed, "version": todo.version, "uri": f"gs://{bucket}/{prefix}", "created": created,
            "manifest": current.manifest, "left_out": source.litter,
            "diff": {"before": _lines(there + claim), "after": _lines(sorted(there + created))},
        }  # fmt: skip
        if not todo.changed:
            return result
        model.refuse_retention()
        if source.litter:
            result["warnings"] = [f"left out of the version, as no part of a model: {some(source.litter)}"]
        info = source.inspect(params["tags"]) if todo.upload else None
        if info is not None and not info.loadable and params["require_loadable"]:
            raise BadInput(f"source {source.name} can't be served: {'; '.join(info.problems)}.")
        manifest = current.manifest or make_manifest(
            params["model"] or path.rpartition("/")[2], todo.version, source.files, info,
            created=_now().isoformat(timespec="seconds").replace("+00:00", "Z"),
            creator=_creator(), source=source.name,
        )  # fmt: skip
        if not check_mode:
            progress(f"version {todo.version} of gs://{bucket}/{path}: {len(created)} objects to create")
            manifest = model.publish(source, todo, manifest, current)
        return result | {"manifest": manifest}


def _absent(model: Model, params: Json, check_mode: bool) -> Json:
    number = params["version"]
    if number in params["in_use"]:
        raise BadInput(f"version {number} of {model} is in use: serve another one first.")
    version = model.versions(lenient=True).get(number)
    claimed = version is not None and version.state == "unfinished" and version.claim
    if claimed and not claimed.removes and not params["force"]:
        raise BadInput(
            f"version {number} of {model} is being published by {claimed}. Wait for it to end; if that publisher "
            "is gone for good, set force: true."
        )
    names = model.names(version) if version else []
    if version is not None:
        model.refuse_retention()
        kept = model.kept(version)
        if kept:
            raise BadInput(f"{kept}. Have the hold or the retention removed first.")
    if version is not None and not check_mode:
        model.remove(version)
    return {"changed": bool(names), "removed": names, "diff": {"before": _lines(names), "after": ""}}


def _pruned(model: Model, params: Json, check_mode: bool) -> Json:
    versions = model.versions(lenient=True)
    old, abandoned = prunable(versions, params["keep"], params["in_use"], now=_now())
    # What others put into a version's folder stays.
    published = {number: versions[number].published() for number in sorted(old + abandoned)}
    going = [number for number, version in published.items() if model.names(version)]
    if going:
        model.refuse_retention()
    left = {number: kept for number in going if (kept := model.kept(published[number]))}
    if not check_mode:
        for number in [number for number in going if number not in left]:
            progress(f"removing version {number} of {model}")
            try:
                model.remove(published[number])
            except Busy as error:
                left[number] = str(error)
    gone = [number for number in going if number not in left]
    names = [name for number in gone for name in model.names(published[number])]
    return {
        "changed": bool(names),
        "removed": names,
        "removed_versions": gone,
        "diff": {"before": _lines(names), "after": ""},
        **({"warnings": list(left.values())} if left else {}),
    }


def _listed(model: Model) -> Json:
    return {
        "changed": False,
        "versions": [
            {
                "version": number,
                "state": version.state,
                "complete": version.complete,
                "problems": version.problems,
                "size": sum(int(o["size"]) for path, o in version.objects.items() if path != MANIFEST),
                "digest": version.digest,
                "created": (version.manifest or {}).get("created"),
                "creator": (version.manifest or {}).get("creator"),
            }
            for number, version in sorted(model.versions(lenient=True).items())
        ],
    }
