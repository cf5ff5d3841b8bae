"""The command line of tensorflow_model_server: `--name=value`, gflags style.

Flags and defaults: tensorflow/serving, model_servers/main.cc. An unknown flag is reported and ignored, as
there; a bad value is fatal. Flags whose effect this stand-in lacks are refused when set to another value than
their default: it does not pretend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields


class BadFlag(ValueError):
    """A flag's value can't be read, or asks for what this server does not do."""


def _flag(default: object, *, supported: bool = True) -> object:
    return field(default=default, metadata={"supported": supported})


@dataclass(frozen=True)
class Flags:
    """Times in the unit of the flag's name."""

    port: int = _flag(8500)  # type: ignore[assignment]
    rest_api_port: int = _flag(0)  # type: ignore[assignment]
    rest_api_num_threads: int = _flag(0)  # type: ignore[assignment]
    rest_api_timeout_in_ms: int = _flag(30_000)  # type: ignore[assignment]
    model_name: str = _flag("default")  # type: ignore[assignment]
    model_base_path: str = _flag("")  # type: ignore[assignment]
    model_config_file: str = _flag("", supported=False)  # type: ignore[assignment]
    monitoring_config_file: str = _flag("")  # type: ignore[assignment]
    batching_parameters_file: str = _flag("", supported=False)  # type: ignore[assignment]
    enable_batching: bool = _flag(False, supported=False)  # type: ignore[assignment]
    enable_model_warmup: bool = _flag(True)  # type: ignore[assignment]
    num_request_iterations_for_warmup: int = _flag(0)  # type: ignore[assignment]
    file_system_poll_wait_seconds: int = _flag(1)  # type: ignore[assignment]
    max_num_load_retries: int = _flag(5)  # type: ignore[assignment]
    load_retry_interval_micros: int = _flag(60_000_000)  # type: ignore[assignment]
    tensorflow_session_parallelism: int = _flag(0)  # type: ignore[assignment]
    tensorflow_intra_op_parallelism: int = _flag(0)  # type: ignore[assignment]
    tensorflow_inter_op_parallelism: int = _flag(0)  # type: ignore[assignment]
    saved_model_tags: str = _flag("serve")  # type: ignore[assignment]
    grpc_channel_arguments: str = _flag("")  # type: ignore[assignment]
    grpc_max_threads: int = _flag(0)  # type: ignore[assignment]
    ssl_config_file: str = _flag("", supported=False)  # type: ignore[assignment]
    platform_config_file: str = _flag("", supported=False)  # type: ignore[assignment]
    enable_grpc_healthcheck_service: bool = _flag(False, supported=False)  # type: ignore[assignment]
    version: bool = _flag(False)  # type: ignore[assignment]


def parse(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """The flags and the unknown arguments. Raises ``BadFlag``."""
    kinds = {f.name: f for f in fields(Flags)}
    values: dict[str, object] = {}
    unknown = []
    for argument in arguments:
        name, given, text = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in kinds:
            unknown.append(argument)
            continue
        values[name] = _value(name, kinds[name].default, text if given else None)
        if not kinds[name].metadata["supported"] and values[name] != kinds[name].default:
            raise BadFlag(f"--{name} is not supported by this stand-in for TensorFlow Serving")
    return Flags(**values), unknown  # type: ignore[arg-type]


def _value(name: str, default: object, text: str | None) -> object:
    if isinstance(default, bool):
        if text is None or text.lower() in ("true", "1"):
            return True
        if text.lower() in ("false", "0"):
            return False
    elif isinstance(default, int):
        try:
            return int(text or "")
        except ValueError:
            pass
    elif text is not None:
        return text
    raise BadFlag(f"couldn't interpret value {text or ''} for flag {name}.")
