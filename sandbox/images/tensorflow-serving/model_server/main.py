"""The stand-in for tensorflow_model_server: start-up in its order, with its words and its bad habits.

Source: tensorflow/serving, model_servers/{main,server}.cc.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import ServingError, invalid
from .flags import BadFlag, Flags, parse, usage
from .slim import use_slim_tensorflow

if TYPE_CHECKING:
    import grpc

    from .config import ModelConfig
    from .lifecycle import ModelManager
    from .metrics import Metrics
    from .servable import Settings

log = logging.getLogger("model_server")
VERSION = "2.21.0"


def start(flags: Flags) -> None:
    """Serves until the process is killed. Raises ``ServingError`` when it can't start."""
    models = _configured(flags)
    # Heavy: only once the flags are known to be good.
    from . import tf  # noqa: PLC0415
    from .gcs import CloudStorage  # noqa: PLC0415
    from .lifecycle import ModelManager  # noqa: PLC0415
    from .metrics import Metrics  # noqa: PLC0415
    from .servable import Servable  # noqa: PLC0415
    from .storage import by_scheme  # noqa: PLC0415

    tf.get_logger().setLevel("ERROR")
    metrics = Metrics()
    settings = _settings(flags, metrics)
    manager = ModelManager(
        flags,
        lambda version, path: Servable(version.model, version.number, path, settings, metrics, version.path),
        by_scheme(lambda: CloudStorage(os.environ, _write_file, _remove_file)),
        threading.Event(),
    )
    # The ports open only once the first versions are loaded and warm.
    manager.start(models)
    if flags.model_config_file and flags.model_config_file_poll_wait_seconds > 0:
        _in_background(lambda: _poll_config(flags, manager))
    server = _serve_grpc(flags, manager, metrics)
    if flags.rest_api_port:
        _serve_rest(flags, manager, metrics)
    manager.run()
    # Kept until here: a gRPC server that nobody refers to stops.
    server.stop(None)


def _configured(flags: Flags) -> list[ModelConfig] | None:
    if not flags.port and not flags.grpc_socket_path:
        raise invalid(
            "At least one of server_options.grpc_port or server_options.grpc_socket_path must be set."
        )
    if not flags.model_base_path and not flags.model_config_file:
        raise invalid("Both server_options.model_base_path and server_options.model_config_file are empty!")
    if flags.batching_parameters_file and not flags.enable_batching:
        raise invalid(
            "server_options.batching_parameters_file is set without setting server_options.enable_batching "
            "to true."
        )
    if min(
        flags.tensorflow_session_parallelism,
        flags.tensorflow_intra_op_parallelism,
        flags.tensorflow_inter_op_parallelism,
    ) > 0:  # fmt: skip
        raise invalid(
            "Either configure server_options.tensorflow_session_parallelism or "
            "(server_options.tensorflow_intra_op_parallelism, server_options.tensorflow_inter_op_parallelism) "
            "separately. You cannot configure all."
        )
    from .config import ModelConfig, validate  # noqa: PLC0415

    if flags.model_config_file:
        from .protos import read_models  # noqa: PLC0415

        return read_models(flags.model_config_file)
    models = [ModelConfig(flags.model_name, flags.model_base_path)]
    validate(models, ())
    return models


def _settings(flags: Flags, metrics: Metrics) -> Settings:
    from .batching import BatchScheduler  # noqa: PLC0415
    from .protos import read_batching, read_session_config  # noqa: PLC0415
    from .servable import Settings  # noqa: PLC0415

    session = read_session_config(flags.tensorflow_session_config_file)
    intra, inter = flags.tensorflow_intra_op_parallelism, flags.tensorflow_inter_op_parallelism
    if intra <= 0 and inter <= 0:
        intra = inter = flags.tensorflow_session_parallelism
    # Always written, even with 0: what the file says about threads does not count.
    session.intra_op_parallelism_threads, session.inter_op_parallelism_threads = intra, inter
    batching = None
    if flags.enable_batching:
        batching = BatchScheduler(read_batching(flags.batching_parameters_file), metrics)
    return Settings(
        session,
        tuple(flags.saved_model_tags.split(",")),
        flags.enable_model_warmup,
        max(1, flags.num_request_iterations_for_warmup),
        flags.enable_signature_method_name_check,
        batching,
    )


def _serve_grpc(flags: Flags, manager: ModelManager, metrics: Metrics) -> grpc.Server:
    from .grpc_api import GrpcOptions, make_server  # noqa: PLC0415
    from .protos import read_ssl  # noqa: PLC0415

    ssl = None
    if flags.ssl_config_file:
        try:
            ssl = read_ssl(flags.ssl_config_file)
        except ServingError as error:
            # A failed check there, not an error that is passed on.
            log.critical("Check failed: ::tensorflow::OkStatus() == %s", error.text)
            os.abort()
    server = make_server(
        manager,
        metrics,
        GrpcOptions(
            flags.port,
            flags.grpc_socket_path,
            flags.grpc_max_threads or 4 * _cpus(),
            flags.grpc_channel_arguments,
            ssl,
            flags.enable_grpc_healthcheck_service,
            flags.enable_serialization_as_tensor_content,
        ),
    )
    server.start()
    if flags.port:
        print(f"Running gRPC ModelServer at 0.0.0.0:{flags.port} ...", flush=True)
    if flags.grpc_socket_path:
        print(f"Running gRPC ModelServer at UNIX socket {flags.grpc_socket_path} ...", flush=True)
    return server


def _serve_rest(flags: Flags, manager: ModelManager, metrics: Metrics) -> None:
    if flags.rest_api_port == flags.port:
        log.error("server_options.http_port cannot be same as grpc_port. Please use a different port for "
                  "HTTP/REST API. Skipped exporting HTTP/REST API.")  # fmt: skip
        return
    from google.protobuf import json_format  # noqa: PLC0415

    from .grpc_api import signature_map  # noqa: PLC0415
    from .http_server import HttpServer  # noqa: PLC0415
    from .protos import read_metrics_path  # noqa: PLC0415
    from .rest import Codec, RestApi  # noqa: PLC0415
    from .wire import serialise  # noqa: PLC0415

    def describe(servable: Any) -> str:
        text: str = json_format.MessageToJson(
            signature_map(servable),
            indent=1,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
        )
        return text

    api = RestApi(
        manager,
        metrics,
        Codec(lambda request: serialise(request.examples, request.context), describe),
        metrics_path=read_metrics_path(flags.monitoring_config_file)
        if flags.monitoring_config_file
        else None,
        timeout=flags.rest_api_timeout_in_ms / 1000 if flags.rest_api_timeout_in_ms > 0 else None,
        cors=flags.rest_api_enable_cors_support,
    )
    try:
        server = HttpServer(("0.0.0.0", flags.rest_api_port), api, flags.rest_api_num_threads or 4 * _cpus())
    except OSError as error:
        log.error("Failed to start HTTP Server at localhost:%d: %s", flags.rest_api_port, error.strerror)
        return
    _in_background(server.serve_forever)
    print(f"Exporting HTTP/REST API at:localhost:{flags.rest_api_port} ...", flush=True)


def _poll_config(flags: Flags, manager: ModelManager) -> None:
    from .protos import read_models  # noqa: PLC0415

    pause = threading.Event()
    while True:
        try:
            models = read_models(flags.model_config_file)
        except ServingError as error:
            log.error("Failed to read ModelServerConfig file: %s", error.message)
        else:
            try:
                manager.reload(models)
            except ServingError as error:
                log.error("PollFilesystemAndReloadConfig failed to ReloadConfig: %s", error.message)
        pause.wait(flags.model_config_file_poll_wait_seconds)


def _in_background(work: Callable[[], None]) -> None:
    threading.Thread(target=work, daemon=True).start()


def _cpus() -> int:
    """As TensorFlow counts: what may be scheduled on, whatever the container's limit is."""
    return len(os.sched_getaffinity(0))


def _write_file(path: str, data: bytes) -> None:
    from . import tf  # noqa: PLC0415

    with tf.file_io.FileIO(path, "wb") as file:
        file.write(data)


def _remove_file(path: str) -> None:
    from . import tf  # noqa: PLC0415

    tf.file_io.delete_file_v2(path)


def main(arguments: list[str]) -> int:
    use_slim_tensorflow()
    # TF Serving has no handler, and as the first process of a container it ignores the signal.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname).1s %(message)s"
    )
    try:
        flags, unknown = parse(arguments)
    except BadFlag as error:
        print(f"{error}\n{usage()}", flush=True)
        return 255
    if unknown:
        print("\n".join([*(f"unknown argument: {argument}" for argument in unknown), usage()]), flush=True)
    if flags.version:
        print(f"TensorFlow ModelServer: {VERSION}+stand-in\nTensorFlow Library: {VERSION}", flush=True)
        return 0
    try:
        start(flags)
        return 0
    except ServingError as error:
        print(f"Failed to start server. Error: {error.text}", flush=True)
        return 255
