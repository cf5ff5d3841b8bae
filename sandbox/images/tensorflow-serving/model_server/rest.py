"""TF Serving's REST API. Paths and errors: tensorflow/serving, model_servers/http_rest_api_{util,handler}.cc."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import numpy as np

from .errors import HTTP_STATUS, Code, ServingError, invalid
from .metrics import Metrics
from .tensors import TensorInfo, format_outputs, parse_json, parse_predict

_WHERE = r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>[^/:]+)|/labels/(?P<label>[^/:]+))?"
_PREDICT = re.compile(rf"(?i){_WHERE}:(?P<method>classify|regress|predict)")
_STATUS = re.compile(rf"(?i){_WHERE}(?P<metadata>/metadata)?")
_V1 = re.compile(r"(?i)/v1/.*")
_MAX_VERSION = 2**63 - 1
# What libevent answers where no handler is registered.
_NOT_FOUND = "<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


class Servable(Protocol):
    """What the API needs of a loaded version."""

    version: int

    def input_infos(self) -> dict[str, dict[str, TensorInfo]]: ...
    def predict(
        self, signature_name: str, inputs: dict[str, np.ndarray], output_filter: tuple[str, ...] = ()
    ) -> dict[str, np.ndarray]: ...


class State(Protocol):
    """A version's state, as the status call shows it."""

    number: int
    state: str
    error: ServingError | None


class Models(Protocol):
    """The server's one model."""

    @property
    def name(self) -> str: ...
    def available(self, number: int | None = None) -> Any: ...
    def states(self, number: int | None = None) -> list[Any]: ...


class Answer:
    """Status, content type and body of an answer."""

    def __init__(self, status: int, body: str, content_type: str = "application/json") -> None:
        self.status, self.body, self.content_type = status, body, content_type


class RestApi:
    """Answers requests; knows nothing of sockets."""

    def __init__(
        self,
        models: Models,
        metrics: Metrics,
        describe: Callable[[Any], Mapping[str, object]],
        metrics_path: str | None = None,
    ) -> None:
        self._models = models
        self._metrics = metrics
        self._describe = describe
        self._metrics_path = metrics_path

    def handle(self, method: str, path: str, body: bytes) -> Answer:
        path = path.partition("?")[0]
        if path == self._metrics_path:
            if method != "GET":
                return Answer(405, "Method Not Allowed", "text/plain")
            return Answer(200, self._metrics.render(), "text/plain")
        if not _V1.fullmatch(path):
            return Answer(404, _NOT_FOUND, "text/html")
        started = time.perf_counter()
        model, code = "", Code.OK
        try:
            match = _PREDICT.fullmatch(path) if method == "POST" else None
            if match:
                model = match["model"]
                answer = Answer(200, self._predict(match, body))
                self._metrics.observe(
                    ":tensorflow:serving:request_latency", (time.perf_counter() - started) * 1e6,
                    model_name=model, API="predict", entrypoint="REST",
                )  # fmt: skip
                return answer
            match = _STATUS.fullmatch(path) if method == "GET" else None
            if match:
                model = match["model"]
                return Answer(200, self._metadata(match) if match["metadata"] else self._status(match))
            if method == "GET" and path.rstrip("/").lower() == "/v1/models":
                raise invalid("Missing model name in request.")
            raise invalid(f"Malformed request: {method} {path}")
        except ServingError as error:
            code = error.code
            body_text = f'{{\n    "error": {json.dumps(error.message, ensure_ascii=False)}\n}}'
            return Answer(HTTP_STATUS[code], body_text)
        finally:
            self._metrics.count(":tensorflow:serving:request_count", model_name=model, status=code.name)

    def _find(self, match: re.Match[str]) -> tuple[str, int | None]:
        number = None
        if match["version"] is not None:
            if not match["version"].isdigit() or int(match["version"]) > _MAX_VERSION:
                raise invalid(f"Failed to convert version: {match['version']} to numeric.")
            number = int(match["version"])
        if match["label"] is not None:
            raise invalid(f"Unrecognized servable version label: {match['label']}")
        if match["model"] != self._models.name:
            which = f"Latest({match['model']})" if number is None else f"Specific({match['model']}, {number})"
            raise ServingError(Code.NOT_FOUND, f"Servable not found for request: {which}")
        return match["model"], number

    def _predict(self, match: re.Match[str], body: bytes) -> str:
        method = match["method"].lower()
        _, number = self._find(match)
        servable = self._models.available(number)
        if method != "predict":
            raise ServingError(Code.UNIMPLEMENTED, f"{method} is not implemented by this stand-in")
        request = parse_predict(parse_json(body), servable.input_infos())
        outputs = servable.predict(request.signature_name, request.inputs)
        return format_outputs(outputs, row_format=request.row_format)

    def _status(self, match: re.Match[str]) -> str:
        if match["model"] != self._models.name:
            raise ServingError(Code.NOT_FOUND, f"Could not find any versions of model {match['model']}")
        _, number = self._find(match)
        entries = []
        for version in self._models.states(number):
            error = version.error
            status = {
                "error_code": error.code.name if error else "OK",
                "error_message": error.message if error else "",
            }
            entries.append({"version": str(version.number), "state": version.state, "status": status})
        return json.dumps({"model_version_status": entries}, indent=1) + "\n"

    def _metadata(self, match: re.Match[str]) -> str:
        name, number = self._find(match)
        servable = self._models.available(number)
        spec = {"name": name, "signature_name": "", "version": str(servable.version)}
        # The double nesting is TF Serving's own: SignatureDefMap inside the metadata map.
        metadata = {"signature_def": {"signature_def": self._describe(servable)}}
        return json.dumps({"model_spec": spec, "metadata": metadata}, indent=1) + "\n"


class RestServer(ThreadingHTTPServer):
    """Serves a ``RestApi``; at most ``threads`` requests are worked on at once, the others wait."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], api: RestApi, threads: int) -> None:
        self.api = api
        self.gate = threading.BoundedSemaphore(threads)
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RestServer
    # One write an answer: headers and body leave in one packet.
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _answer(self) -> None:
        body = self._body()
        with self.server.gate:
            answer = self.server.api.handle(self.command, self.path, body)
        data = answer.body.encode("utf-8", errors="surrogateescape")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                continue
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _answer

    def log_message(self, format: str, *args: Any) -> None:
        """TF Serving does not log requests."""
