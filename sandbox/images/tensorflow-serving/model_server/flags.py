"""The command line of tensorflow_model_server: `--name=value`.

Flags and defaults: tensorflow/serving, model_servers/main.cc; their reading: xla/tsl, util/command_line_flags.cc. An
unknown flag is reported and ignored, as there; a bad value is fatal. Flags whose effect this stand-in lacks are
refused when set to another value than their default: it does not pretend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any


class BadFlag(ValueError):
    """A flag's value can't be read, or asks for what this server does not do."""


def _flag(default: object, *, supported: bool = True) -> Any:
    return field(default=default, metadata={"supported": supported})


@dataclass(frozen=True)
class Flags:
    """Times in the unit of the flag's name; 0 threads: as many as the flag's documentation says."""

    port: int = _flag(8500)
    grpc_socket_path: str = _flag("")
    rest_api_port: int = _flag(0)
    rest_api_num_threads: int = _flag(0)
    rest_api_timeout_in_ms: int = _flag(30_000)
    rest_api_enable_cors_support: bool = _flag(False)
    enable_batching: bool = _flag(False)
    allow_version_labels_for_unavailable_models: bool = _flag(False)
    batching_parameters_file: str = _flag("")
    enable_per_model_batching_parameters: bool = _flag(False, supported=False)
    model_config_file: str = _flag("")
    model_config_file_poll_wait_seconds: int = _flag(0)
    model_name: str = _flag("default")
    model_base_path: str = _flag("")
    num_load_threads: int = _flag(0)
    num_unload_threads: int = _flag(0)
    max_num_load_retries: int = _flag(5)
    load_retry_interval_micros: int = _flag(60_000_000)
    file_system_poll_wait_seconds: int = _flag(1)
    flush_filesystem_caches: bool = _flag(True)
    tensorflow_session_parallelism: int = _flag(0)
    tensorflow_session_config_file: str = _flag("")
    tensorflow_intra_op_parallelism: int = _flag(0)
    tensorflow_inter_op_parallelism: int = _flag(0)
    use_alts_credentials: bool = _flag(False, supported=False)
    ssl_config_file: str = _flag("")
    platform_config_file: str = _flag("", supported=False)
    # There is no GPU here, so the flag has nothing to act on; so it is with TF Serving on a CPU.
    per_process_gpu_memory_fraction: float = _flag(0.0)
    saved_model_tags: str = _flag("serve")
    grpc_channel_arguments: str = _flag("")
    grpc_max_threads: int = _flag(0)
    enable_model_warmup: bool = _flag(True)
    num_request_iterations_for_warmup: int = _flag(0)
    version: bool = _flag(False)
    monitoring_config_file: str = _flag("")
    # A matter of memory only.
    remove_unused_fields_from_bundle_metagraph: bool = _flag(True)
    prefer_tflite_model: bool = _flag(False, supported=False)
    num_tflite_pools: int = _flag(0, supported=False)
    num_tflite_interpreters_per_pool: int = _flag(1, supported=False)
    enable_signature_method_name_check: bool = _flag(False)
    xla_cpu_compilation_enabled: bool = _flag(False, supported=False)
    xla_gpu_compilation_enabled: bool = _flag(False, supported=False)
    enable_profiler: bool = _flag(True)
    thread_pool_factory_config_file: str = _flag("", supported=False)
    mixed_precision: str = _flag("", supported=False)
    skip_initialize_tpu: bool = _flag(False)
    enable_grpc_healthcheck_service: bool = _flag(False)
    enable_serialization_as_tensor_content: bool = _flag(False)


def parse(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """The flags and the unknown arguments. Of a flag given twice the last counts. Raises ``BadFlag``."""
    kinds = {f.name: f for f in fields(Flags)}
    values: dict[str, Any] = {}
    unknown = []
    for argument in arguments:
        name, given, text = argument.removeprefix("--").partition("=")
        kind = kinds.get(name) if argument.startswith("--") else None
        # Only a switch may stand without a value; anything else without one is not recognised.
        if kind is None or (not given and not isinstance(kind.default, bool)):
            unknown.append(argument)
            continue
        values[name] = _value(name, kind.default, text if given else "true")
        if not kind.metadata["supported"] and values[name] != kind.default:
            raise BadFlag(f"--{name} is not supported by this stand-in for TensorFlow Serving")
    return Flags(**values), unknown


def usage() -> str:
    """One line a flag, with its default."""
    lines = ["usage: tensorflow_model_server", "Flags:"]
    for kind in fields(Flags):
        default, shown = kind.default, kind.default
        if isinstance(default, bool):
            shown = str(default).lower()
        elif isinstance(default, str):
            shown = f'"{default}"'
        type_name = {bool: "bool", int: "int32", float: "float", str: "string"}[type(default)]
        lines.append(f"\t--{kind.name}={shown}\t{type_name}")
    return "\n".join(lines)


def _value(name: str, default: object, text: str) -> object:
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text]
        if isinstance(default, (int, float)):
            return type(default)(text)
    except (KeyError, ValueError):
        raise BadFlag(f"Couldn't interpret value {text} for flag {name}.") from None
    return text
