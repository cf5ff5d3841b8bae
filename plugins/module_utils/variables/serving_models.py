"""Which models and versions are served: names, addresses, versions, labels, golden predictions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from ..serving.warmup import warmup_requests
from .reading import Variables, whole

# A folder's name, part of a path in REST and of an address in gs://.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_BUCKET = r"gs://[a-z0-9][a-z0-9._-]*/"
_VERSION_URI = re.compile(_BUCKET + r"[^\s]*[^\s/]/[1-9][0-9]*|" + _BUCKET + r"[1-9][0-9]*")
_FOLDER_URI = re.compile(_BUCKET + r"[^\s]*[^\s/]")
_MODEL_KEYS = ("name", "uri", "versions", "labels", "golden")
_TAG = re.compile(r"[^\s,]+")
# A version's folder in an image or a volume.
_PLACE = re.compile(r"(/[^/\s]+)*/[1-9][0-9]*")
_INT64_MAX = 2**63 - 1
_NO_VERSION = "a version is a whole number of at least 1"
_WARMUP_BYTES_MAX = 768 * 1024
"""A ConfigMap holds 1 MiB in all: https://kubernetes.io/docs/concepts/configuration/configmap/"""


def check_models(variables: Variables) -> None:
    _check_tags(variables, "serving_model_tags")
    models = variables.listing("serving_models")
    if models:
        _check_several(variables, models)
    else:
        _check_one(variables)
    endpoint = urlsplit(variables.text("serving_storage_endpoint"))
    if endpoint.scheme not in ("http", "https") or not endpoint.netloc:
        variables.refuse(
            "serving_storage_endpoint", "it is no address", "Write https://storage.googleapis.com or your own"
        )
    variables.integer("serving_fetch_timeout", 1, unit="seconds")


def _check_tags(variables: Variables, name: str) -> None:
    tags = variables.listing(name)
    if not tags or not all(_TAG.fullmatch(str(tag)) for tag in tags):
        variables.refuse(
            name,
            "a graph has one tag or more, without commas and blanks",
            "Write [serve], or such as [serve, gpu]",
        )


def _check_one(variables: Variables) -> None:
    refuse = partial(variables.refuse, rule="model-uri")
    _check_name(variables, "serving_model_name", variables.given.get("serving_model_name"))
    uri = variables.text("serving_model_uri")
    source = variables.text("serving_model_source") or "bucket"
    if source != "bucket":
        _check_elsewhere(variables, source, uri)
    elif not uri and not variables.is_final:
        return  # The storage role hands it on; until then preflight's model-missing looks for it.
    elif not uri:
        refuse(
            "serving_model_uri",
            "there is no version of the model to serve",
            "Set storage_model_source to the folder of a SavedModel, which is published then, or name a version"
            " that exists as gs://BUCKET/PATH/VERSION",
        )
    elif not _VERSION_URI.fullmatch(uri):
        hint = "Publish a model first (storage_model_source), or name a version that exists"
        refuse("serving_model_uri", "it is not gs://BUCKET/PATH/VERSION", hint)
    place = _VERSION_URI if source == "bucket" else _PLACE
    if place.fullmatch(uri) and str(variables.given.get("serving_model_version")) != uri.rsplit("/", 1)[1]:
        reason = f"it is not the version of serving_model_uri, {uri}"
        refuse("serving_model_version", reason, "Leave it out: it follows from the address")
    _check_golden(variables, "serving_golden", variables.listing("serving_golden"))
    if variables.mapping("serving_promoted"):
        reason = "it goes with serving_models, and there are none"
        refuse("serving_promoted", reason, "Name the version in serving_model_uri")


def _check_elsewhere(variables: Variables, source: str, uri: str) -> None:
    """A model in an image or a volume."""
    refuse = partial(variables.refuse, rule="model-source")
    if not _PLACE.fullmatch(uri):
        reason = f"it is not /PATH/VERSION, the model's folder in the {source} (serving_model_source)"
        variables.refuse("serving_model_uri", reason, "Write one such as /models/resnet/1", rule="model-uri")
    if source == "image":
        if not variables.text("serving_model_image"):
            hint = "Name it, or set serving_model_source: bucket"
            refuse("serving_model_image", "no image holds the model", hint)
    elif not variables.mapping("serving_model_volume"):
        hint = (
            "Describe it as {persistentVolumeClaim: {claimName: models}}, or set serving_model_source: bucket"
        )
        refuse("serving_model_volume", "no volume holds the model", hint)
    if not variables.flag("serving_fetch"):
        refuse(
            "serving_fetch", f"only a bucket can be read by TF Serving itself, not a {source}", "Write true"
        )


def _check_several(variables: Variables, models: Sequence[Any]) -> None:
    refuse = partial(variables.refuse, rule="serving-models")
    if (source := variables.text("serving_model_source") or "bucket") != "bucket":
        reason = f"several models come from buckets, not from a {source}"
        variables.refuse("serving_models", reason, "Set serving_model_source: bucket", rule="model-source")
    entries = [model for model in models if isinstance(model, Mapping)]
    if len(entries) < len(models):
        refuse("serving_models", "an entry is not a dictionary", "Give each model name, uri and versions")
    counted = Counter(str(model.get("name")) for model in entries)
    names = [model.get("name") for model in entries]
    for name in [name for name, times in counted.items() if times > 1]:
        reason = f"model {name} is there {counted[name]} times"
        refuse("serving_models", reason, "List each model once, with all its versions", value=names)
    for number, model in enumerate(entries):
        _check_entry(variables, f"serving_models[{number}]", model)
    promoted = variables.mapping("serving_promoted")
    for name in promoted:
        if name not in counted:
            hint = f"Name one of {', '.join(counted)}"
            refuse("serving_promoted", f"no model in serving_models is called {name}", hint)
        elif not _is_version(promoted[name]):
            refuse("serving_promoted", _NO_VERSION, f"Write {{{name}: 1}}")
    if variables.listing("serving_golden"):
        reason = "it does not say which of serving_models it asks"
        hint = "Write the predictions as golden in that model's entry"
        variables.refuse("serving_golden", reason, hint, rule="golden")


def _check_entry(variables: Variables, where: str, model: Mapping[str, Any]) -> None:
    def refuse(key: str, reason: str, hint: str, empty: Any = "") -> None:
        value = model.get(key) or empty
        variables.refuse(f"{where}.{key}", reason, hint, value=value, rule="serving-models")

    for key in model:
        if key not in _MODEL_KEYS:
            refuse(key, "a model has no such key", f"It has {', '.join(_MODEL_KEYS)}")
    _check_name(variables, f"{where}.name", model.get("name"))
    if not _FOLDER_URI.fullmatch(str(model.get("uri") or "")):
        reason = "it is not gs://BUCKET/PATH, the folder that has a folder for each version"
        refuse("uri", reason, "Write where the model is published, without a version")
    versions = model.get("versions")
    if not isinstance(versions, (list, tuple)) or not versions:
        refuse("versions", "no version is named", "Name those to serve, such as [1] or [3, 4]", empty=[])
        versions = []
    if not all(map(_is_version, versions)):
        refuse("versions", _NO_VERSION, "Name those to serve, such as [3]")
    listed = {str(version) for version in versions}
    if len(listed) < len(versions):
        refuse("versions", "a version is there twice", "Name each once")
    labels = model.get("labels") or {}
    if not isinstance(labels, Mapping):
        refuse("labels", "it is not a dictionary", "Write it as {stable: 3, canary: 4}")
        labels = {}
    for label, version in labels.items():
        if not _NAME.fullmatch(str(label)):
            refuse("labels", f"{label!r} can't be part of a request's path", "Use letters, digits, _ and -")
        if str(version) not in listed:
            others = ", ".join(map(str, versions)) or "them"
            refuse(
                "labels",
                f"label {label} leads to version {version}, which is not in versions",
                f"Add {version} to versions, or lead the label to one of {others}",
            )
    golden = model.get("golden") or []
    _check_golden(variables, f"{where}.golden", golden if isinstance(golden, (list, tuple)) else [golden])


def _check_golden(variables: Variables, where: str, golden: Sequence[Any]) -> None:
    refuse = partial(variables.refuse, where, rule="golden")
    names = [str(entry.get("name") or "") if isinstance(entry, Mapping) else "" for entry in golden]
    if "" in names:
        refuse("a prediction has no name", "Give each one a name, for messages", value=golden)
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        refuse(f"{', '.join(twice)} is there twice", "Give each its own name", value=golden)
    for entry, name in zip(golden, names, strict=True):
        if isinstance(entry, Mapping) and ("instances" in entry) == ("inputs" in entry):
            reason = f"{name or 'a prediction'} needs either instances (rows) or inputs (columns)"
            refuse(reason, "Give one of them", value=entry)


def _check_name(variables: Variables, where: str, name: Any) -> None:
    if not _NAME.fullmatch(str(name)):
        variables.refuse(
            where,
            "a model's name is part of paths and requests",
            "Use letters, digits, _, . and -, at most 128, the first a letter, a digit or _",
            value=name,
        )


def _is_version(version: Any) -> bool:
    return 1 <= (whole(version) or 0) <= _INT64_MAX


def check_warmup(variables: Variables) -> None:
    times = variables.integer("serving_warmup_requests", 0, 1000)
    if not times:
        return
    models = [model for model in variables.listing("serving_models") if isinstance(model, Mapping)]
    asked = [(model.get("versions") or [], model.get("golden") or []) for model in models] or [
        ([1], variables.listing("serving_golden"))
    ]
    size = sum(
        len(request)
        for versions, golden in asked
        if isinstance(versions, list | tuple) and isinstance(golden, list | tuple)
        for request in warmup_requests("", [0] * len(versions), [g for g in golden if isinstance(g, Mapping)])
    )
    if size > _WARMUP_BYTES_MAX:
        variables.refuse(
            "serving_warmup_requests",
            f"the golden predictions' requests take {size // 1024} KiB, and there is room for {_WARMUP_BYTES_MAX // 1024} in a "
            "ConfigMap",
            "Write 0, or give requests that are smaller",
            value=times,
            rule="warmup",
        )
