"""The stand-in for tensorflow_model_server: start-up in its order, with its words and its bad habits."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
from pathlib import Path

from .errors import ServingError
from .flags import BadFlag, Flags, parse
from .metrics import Metrics

METRICS_PATH = "/monitoring/prometheus/metrics"
VERSION = "2.21.0"


def metrics_path(config: str) -> str | None:
    """The path in a monitoring configuration's text, or None when it does not enable Prometheus.

    The message is `prometheus_config { enable: true path: "…" }`.
    """
    text = re.sub(r"#.*", "", config)
    if not re.search(r"prometheus_config\s*:?\s*\{[^}]*\benable\s*:\s*true\b", text):
        return None
    path = re.search(r"\bpath\s*:\s*['\"]([^'\"]+)['\"]", text)
    return path[1] if path else METRICS_PATH


def start(flags: Flags) -> None:
    """Serves until the process is killed. Raises ``ServingError`` when it can't start."""
    # Heavy: only once the flags are known to be good.
    import tensorflow as tf  # noqa: PLC0415
    from google.protobuf import json_format  # noqa: PLC0415

    from .grpc_api import make_server  # noqa: PLC0415
    from .lifecycle import ModelManager  # noqa: PLC0415
    from .rest import RestApi, RestServer  # noqa: PLC0415
    from .servable import Servable  # noqa: PLC0415

    tf.get_logger().setLevel("ERROR")
    metrics = Metrics()
    manager = ModelManager(
        flags,
        lambda number, path: Servable(flags.model_name, number, path, flags, metrics),
        threading.Event(),
    )
    # The ports open only once the first version is loaded and warm.
    manager.serve_first()
    cpus = len(os.sched_getaffinity(0))
    if flags.port:
        threads = flags.grpc_max_threads or 4 * cpus
        # Held, since a server that nobody holds is stopped.
        grpc_server = make_server(manager, metrics, flags.port, threads, flags.grpc_channel_arguments)
        grpc_server.start()
        print(f"Running gRPC ModelServer at 0.0.0.0:{flags.port} ...", flush=True)
    if flags.rest_api_port:
        path = None
        if flags.monitoring_config_file:
            path = metrics_path(Path(flags.monitoring_config_file).read_text())

        def describe(servable: Servable) -> dict[str, object]:
            return {
                name: json_format.MessageToDict(s, preserving_proto_field_name=True)
                for name, s in servable.signatures.items()
            }

        api = RestApi(manager, metrics, describe, path)
        server = RestServer(("0.0.0.0", flags.rest_api_port), api, flags.rest_api_num_threads or 4 * cpus)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(f"Exporting HTTP/REST API at:localhost:{flags.rest_api_port} ...", flush=True)
    manager.keep_serving()
    threading.Event().wait()


def main(arguments: list[str]) -> int:
    # TF Serving has no handler, and as the first process of a container it ignores the signal.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s"
    )
    try:
        flags, unknown = parse(arguments)
    except BadFlag as error:
        print(
            f"{error}\nusage: tensorflow_model_server --model_name=NAME --model_base_path=PATH ...",
            flush=True,
        )
        return 255
    for argument in unknown:
        print(f"unknown argument: {argument}", flush=True)
    if flags.version:
        print(f"TensorFlow ModelServer: {VERSION}+stand-in\nTensorFlow Library: {VERSION}", flush=True)
        return 0
    problem = _problem(flags)
    if problem is None:
        try:
            start(flags)
        except ServingError as error:
            problem = f"{error.code.name}: {error.message}"
        except OSError as error:
            problem = f"UNKNOWN: {error}"
    print(f"Failed to start server. Error: {problem}", flush=True)
    return 255


def _problem(flags: Flags) -> str | None:
    if not flags.model_base_path:
        return "INVALID_ARGUMENT: Both server_options.model_base_path and server_options.model_config_file are empty!"
    if flags.model_base_path.startswith("gs://"):
        return "UNIMPLEMENTED: this stand-in reads models from local folders only, not from gs://"
    if not flags.model_base_path.startswith("/"):
        return (
            f"INVALID_ARGUMENT: Expected model {flags.model_name} to have an absolute path or URI; "
            f"got base_path()={flags.model_base_path}"
        )
    if all(
        (
            flags.tensorflow_session_parallelism,
            flags.tensorflow_intra_op_parallelism,
            flags.tensorflow_inter_op_parallelism,
        )
    ):
        return (
            "INVALID_ARGUMENT: Either configure tensorflow_session_parallelism or "
            "(tensorflow_intra_op_parallelism, tensorflow_inter_op_parallelism), not both"
        )
    return None
