"""TF Serving's REST API. Paths and errors: tensorflow/serving, model_servers/http_rest_api_{util,handler}.cc."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote

import numpy as np

from . import jsontext
from .errors import HTTP_STATUS, Code, ServingError, invalid
from .examples import ExamplesRequest, format_classifications, format_regressions, parse_examples
from .metrics import REQUEST_COUNT, REQUEST_LATENCY, Metrics
from .outputs import format_outputs
from .tensors import TensorInfo, fill_inputs, signature_name

_VERSION = r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
_INFER = re.compile(rf"(?i)/v1/models/(?P<model>[^/:]+){_VERSION}:(?P<method>classify|regress|predict)")
_STATUS = re.compile(rf"(?i)/v1/models(?:/(?P<model>[^/:]+))?{_VERSION}(?:/(?P<metadata>metadata))?")
_V1 = re.compile(r"(?is)/v1/.*")
_MAX_VERSION = 2**63 - 1
_JSON = "application/json"
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, GET",
    "Access-Control-Allow-Headers": "Content-Type",
}
# What libevent answers where no handler is registered.
_NOT_FOUND = "<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


class Servable(Protocol):
    """What the API needs of a loaded version."""

    version: int
    input_infos: Mapping[str, Mapping[str, TensorInfo]]

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        timeout: float | None = None,
    ) -> dict[str, np.ndarray]: ...
    def classify(
        self, signature_name: str, examples: Sequence[bytes], timeout: float | None = None
    ) -> list[list[tuple[str, float]]]: ...
    def regress(
        self, signature_name: str, examples: Sequence[bytes], timeout: float | None = None
    ) -> list[float]: ...


class Models(Protocol):
    """The server's models."""

    def using(
        self, model: str, number: int | None = None, label: str | None = None
    ) -> AbstractContextManager[Any]: ...
    def states(self, model: str, number: int | None = None, label: str | None = None) -> list[Any]: ...


@dataclass(frozen=True)
class Codec:
    """What needs protocol buffers: the examples of a request in bytes, a servable's signatures in JSON."""

    serialise: Callable[[ExamplesRequest], list[bytes]]
    describe: Callable[[Any], str]


@dataclass(frozen=True)
class Answer:
    """Status, body and headers of an answer."""

    status: int
    body: str
    content_type: str = _JSON
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class _Where:
    """Which servable a path means."""

    model: str
    version: int | None
    label: str | None


class RestApi:
    """Answers requests; knows nothing of sockets. ``timeout``: seconds for a run of a model, None without end."""

    def __init__(
        self,
        models: Models,
        metrics: Metrics,
        codec: Codec,
        *,
        metrics_path: str | None = None,
        timeout: float | None = None,
        cors: bool = False,
    ) -> None:
        self._models, self._metrics, self._codec = models, metrics, codec
        self._metrics_path, self._timeout = metrics_path, timeout
        self._headers = _CORS if cors else None

    def handle(self, method: str, path: str, body: bytes) -> Answer:
        path = path.partition("?")[0]
        if path == self._metrics_path:
            return Answer(200, self._metrics.render(), "text/plain")
        if not _V1.fullmatch(path):
            return Answer(404, _NOT_FOUND, "text/html")
        if self._headers and method == "OPTIONS":
            return Answer(200, "", headers=self._headers)
        started = time.perf_counter()
        match = None
        if method in ("GET", "POST"):
            match = (_INFER if method == "POST" else _STATUS).fullmatch(path)
        model = unquote(match["model"] or "") if match else ""
        code = Code.OK
        try:
            if match is None:
                raise invalid(f"Malformed request: {method} {path}")
            where = _where(model, match)
            if method == "POST":
                text = self._infer(where, match["method"], body, f"Malformed request: {method} {path}")
            else:
                text = self._metadata(where) if match["metadata"] == "metadata" else self._status(where)
            # A status request has no API's name there.
            api = match["method"] if method == "POST" else ""
            elapsed = (time.perf_counter() - started) * 1e6
            self._metrics.observe(REQUEST_LATENCY, elapsed, model, api, "REST")
            return Answer(200, text, headers=self._headers)
        except ServingError as error:
            code = error.code
            return Answer(HTTP_STATUS[code], jsontext.error_body(error.message), headers=self._headers)
        finally:
            self._metrics.count(REQUEST_COUNT, model, code.name)

    def _infer(self, where: _Where, method: str, body: bytes, malformed: str) -> str:
        if method == "predict":
            document = jsontext.parse(body)
            signature = signature_name(document)
            with self._models.using(where.model, where.version, where.label) as servable:
                key = signature or "serving_default"
                infos = servable.input_infos.get(key)
                if infos is None:
                    raise invalid(f'Serving signature name: "{key}" not found in signature def')
                if not infos:
                    raise invalid(f"Failed to get input map for signature: {signature or 'DEFAULT'}")
                inputs, row_format = fill_inputs(document, infos)
                outputs = servable.predict(signature, inputs, (), self._timeout)
            return format_outputs(outputs, row_format=row_format)
        if method not in ("classify", "regress"):
            raise invalid(malformed)
        request = parse_examples(jsontext.parse(body))
        examples = self._codec.serialise(request)
        with self._models.using(where.model, where.version, where.label) as servable:
            if method == "classify":
                return format_classifications(
                    servable.classify(request.signature_name, examples, self._timeout)
                )
            return format_regressions(servable.regress(request.signature_name, examples, self._timeout))

    def _status(self, where: _Where) -> str:
        if not where.model:
            raise invalid("Missing model name in request.")
        entries = []
        for version in self._models.states(where.model, where.version, where.label):
            error = version.error
            status = {
                "error_code": error.code.name if error else "OK",
                "error_message": error.message if error else "",
            }
            entries.append({"version": str(version.number), "state": version.state, "status": status})
        return json.dumps({"model_version_status": entries}, indent=1, ensure_ascii=False) + "\n"

    def _metadata(self, where: _Where) -> str:
        if not where.model:
            raise invalid("Missing model name in request.")
        with self._models.using(where.model, where.version, where.label) as servable:
            spec = {"name": where.model, "signature_name": "", "version": str(servable.version)}
            signatures = self._codec.describe(servable)
        # Put together by hand, as upstream does: the inner "signature_def" comes with the message.
        model_spec = json.dumps(spec, indent=1, ensure_ascii=False)
        return f'{{\n"model_spec":{model_spec}\n,\n"metadata": {{"signature_def": {signatures}\n}}\n}}\n'


def _where(model: str, match: re.Match[str]) -> _Where:
    version = None
    if match["version"] is not None:
        digits = match["version"].lstrip("0") or "0"
        version = int(digits[:20])
        if version > _MAX_VERSION:
            raise invalid(f"Failed to convert version: {match['version']} to numeric.")
    label = unquote(match["label"]) if match["label"] is not None else None
    return _Where(model, version, label)
