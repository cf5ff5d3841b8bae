"""What a pod consists of: images, processors, memory, threads, GPUs, arguments, and the nodes it may run on."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from functools import partial
from typing import Any

from ..k8s.quantities import in_words
from ..model_server.runtime import TF_SERVING
from .images import IMAGE, check_images
from .names import is_label_key, is_label_value, is_subdomain
from .reading import Variables, whole

# Flags that other variables of the role set, and which.
FLAGS = {
    "port": "the Service's ports are fixed",
    "rest_api_port": "the Service's ports are fixed",
    "grpc_socket_path": "the proxy reaches the server by its port",
    "model_name": "serving_model_name",
    "model_base_path": "serving_model_uri",
    "model_config_file": "serving_models",
    "model_config_file_poll_wait_seconds": "a changed configuration is a rollout",
    "allow_version_labels_for_unavailable_models": "labels in serving_models",
    "grpc_max_threads": "serving_concurrency",
    "monitoring_config_file": "the metrics are always on",
    "enable_batching": "serving_batching",
    "batching_parameters_file": "serving_batching",
    "tensorflow_session_parallelism": "serving_threads",
    "tensorflow_intra_op_parallelism": "serving_threads",
    "tensorflow_inter_op_parallelism": "serving_threads",
    "saved_model_tags": "serving_model_tags",
    "per_process_gpu_memory_fraction": "serving_gpu_memory_fraction",
}
_FLAG = re.compile(r"--([a-z][a-z0-9_]*)(=.*)?", re.DOTALL)
MODEL_COPIES = 2
"""Copies of the model in memory while TF Serving restores it, or loads a version before it unloads the one before."""

_STEP = 64 * 2**20
# What a connection takes while nothing is asked on it (measured, HAProxy 3.0.11: up to 8 kB), and HAProxy itself.
_CONNECTION_BYTES = 16_000
_PROXY_BYTES = 16 * 2**20
# What a request that has begun takes besides its body: its head, and a call of HTTP/2. Measured, HAProxy 3.0.11: 20 to 50 kB.
_BEGUN_BYTES = 48 * 2**10


def check_pods(variables: Variables) -> None:
    cpu = variables.amount("serving_cpu", "10m", "3 or 500m")
    memory = variables.amount("serving_memory", "64Mi", "4Gi")
    variables.amount("serving_fetcher_memory", "16Mi", "256Mi")
    storage = variables.amount("serving_storage", "64Mi", "10Gi")
    _check_threads(variables, cpu)
    size = whole(variables.given.get("serving_model_bytes")) or 0
    if storage is not None and storage < size:
        variables.refuse(
            "serving_storage",
            f"the model alone has {_words(size)}, and the pod would be evicted while it fetches it",
            f"Set it to {_words(math.ceil((size + 2**30) / 2**30) * 2**30)}",
            rule="model-storage",
        )
    if memory is not None and (found := too_little_memory(memory, [size])):
        variables.refuse("serving_memory", *found, rule="model-memory")
    _check_gpus(variables)
    unused = {"serving_model_image"} if not variables.text("serving_model_image") else set()
    has_proxy = variables.flag("serving_proxy_enabled")
    check_images(variables, "serving", unused if has_proxy else unused | {"serving_proxy_image"})
    if has_proxy:
        variables.amount("serving_proxy_cpu", "1m", "200m")
        _check_proxy_memory(variables, variables.amount("serving_proxy_memory", "16Mi", "128Mi"))
    if variables.integer("serving_user", 0, 2**31 - 1) == 0:
        variables.refuse(
            "serving_user",
            "containers must not run as root",
            "Use a number such as 65532",
            rule="root-user",
        )
    _check_arguments(variables)
    _check_nodes(variables)


def _check_threads(variables: Variables, cpu: Fraction | None) -> None:
    threads = variables.integer("serving_threads")
    if cpu is not None and threads is not None and threads > max(int(cpu), 1):
        variables.refuse(
            "serving_threads",
            f"that is more than the processors of serving_cpu ({variables.text('serving_cpu')}): they would take turns, "
            "and the kernel would hold all of them up",
            f"Write 0 (as many as fit) or {max(int(cpu), 1)} at most, or raise serving_cpu",
            rule="threads",
        )


def too_little_memory(memory: Fraction | int, sizes: Sequence[int]) -> tuple[str, str] | None:
    """Why a model server's memory does not do for models of these sizes in bytes, and what would.

    One limit for preflight and the role, and the higher of the two that there could be: below the models' own size no
    server starts, but with less than ``MODEL_COPIES`` it depends on the model whether the kernel ends it, which shows
    only when cluster and nodes are there. Who knows better ignores ``model-memory``.
    """
    there = [size for size in sizes if size]
    needed = sum(there) + (MODEL_COPIES - 1) * max(there, default=0)
    if memory >= needed:
        return None
    what = "the model has" if len(there) == 1 else f"the {len(there)} versions to serve have together"
    it = "it" if len(there) == 1 else f"the largest ({_words(max(there))})"
    return (
        f"{what} {_words(sum(there))}, and while it is loaded or a version follows another {it} is there "
        f"{MODEL_COPIES} times",
        f"Set serving_memory to {_words(math.ceil(needed / _STEP) * _STEP)} at least; TF Serving itself comes on top",
    )


def _words(size: int) -> str:
    return in_words("memory", Fraction(size))


def _check_gpus(variables: Variables) -> None:
    refuse = partial(variables.refuse, rule="gpu")
    gpus = variables.integer("serving_gpus", 0, 16)
    accelerator = variables.text("serving_gpu_type")
    fraction = variables.number("serving_gpu_memory_fraction", 0, 1)
    for name, value in (("serving_gpu_type", accelerator), ("serving_gpu_memory_fraction", fraction)):
        if gpus == 0 and value:
            hint = f"Write serving_gpus: 1, or leave {name} out"
            refuse(name, "there is no GPU (serving_gpus is 0)", hint)
    if accelerator and not is_label_value(accelerator):
        hint = "Write Google's name, such as nvidia-l4"
        variables.refuse("serving_gpu_type", "no node has such a label", hint)
    image = IMAGE.fullmatch(variables.text("serving_image"))
    tag = image["tag"] if image and image["name"].endswith("tensorflow/serving") else None
    if gpus and tag and "-gpu" not in tag:
        hint = "Use its variant whose tag ends in -gpu"
        refuse("serving_image", "this image computes on processors only", hint)


def _check_proxy_memory(variables: Variables, memory: Fraction | None) -> None:
    connections = variables.integer("serving_proxy_connections", 1)
    concurrency = whole(variables.given.get("serving_concurrency"))
    queue = whole(variables.given.get("serving_queue_length"))
    largest = variables.integer("serving_max_request_bytes", 1024, 10**9, unit="bytes")
    if memory is None or connections is None or concurrency is None or queue is None or largest is None:
        return
    # By REST and by gRPC each; and as many requests, and large ones, as haproxy.cfg.j2 lets in at once.
    large, begun = 4 * max(concurrency, 8), 2 * max(concurrency + queue, 8)
    # Where replicas balance, those of others come in as many again, and with questions (256); and a request that is handed on is
    # kept, since it may come back.
    balances = variables.text("serving_balancing") == "least_requests"
    of_peers, copies = (2 * connections + 256, 2) if balances else (0, 1)
    needed = _PROXY_BYTES + (2 * connections + of_peers) * _CONNECTION_BYTES
    needed += copies * large * largest + max(begun - large, 0) * (copies * (largest // 8) + _BEGUN_BYTES)
    if memory < needed:
        variables.refuse(
            "serving_proxy_memory",
            f"{connections} connections (serving_proxy_connections) by REST and by gRPC, and {begun} requests "
            f"(serving_concurrency, serving_queue_length), {large} requests of {largest} bytes (serving_max_request_bytes) among "
            f"them, take up to {in_words('memory', Fraction(needed))}",
            "Raise it, or accept fewer connections, fewer or smaller requests",
            rule="proxy-memory",
        )


def _check_arguments(variables: Variables) -> None:
    refuse = partial(variables.refuse, "serving_extra_args", rule="extra-args")
    for argument in variables.listing("serving_extra_args"):
        found = _FLAG.fullmatch(str(argument))
        if found is None:
            reason = "tensorflow_model_server takes --name=value, each as one element"
            refuse(reason, "Write for example [--rest_api_num_threads=16]", value=argument)
        elif found[1] in FLAGS:
            reason = f"--{found[1]} is the role's to set ({FLAGS[found[1]]})"
            refuse(reason, "Leave it out here", value=argument)
        elif found[1] not in TF_SERVING.flags:
            near = get_close_matches(found[1], TF_SERVING.flags, 1)
            variables.refuse(
                "serving_extra_args",
                f"TensorFlow Serving has no flag --{found[1]}, and would go on without it",
                f"{f'Write --{near[0]}, if that is meant' if near else 'Leave it out'}; if your image has it, preflight_ignore: [unknown-flag]",
                value=argument,
                rule="unknown-flag",
            )


def _check_nodes(variables: Variables) -> None:
    for key, value in variables.mapping("serving_node_selector").items():
        if not is_label_key(str(key)) or not isinstance(value, str) or not is_label_value(value):
            hint = 'Labels are texts: write true as "true" and 1 as "1"'
            variables.refuse("serving_node_selector", f"{key}: {value!r} is no label of a node", hint)
    for toleration in variables.listing("serving_tolerations"):
        _check_toleration(variables, toleration)
    for key in variables.listing("serving_spread_over"):
        if not is_label_key(str(key)):
            hint = "Write for example [kubernetes.io/hostname, topology.kubernetes.io/zone]"
            variables.refuse("serving_spread_over", "it is no key of a node's label", hint, value=key)
    priority = variables.text("serving_priority_class")
    if priority and not is_subdomain(priority):
        hint = "Name one that exists"
        variables.refuse("serving_priority_class", "no priority class can be called that", hint)
    account = variables.text("serving_google_service_account")
    if account and not re.fullmatch(r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com", account):
        hint = "Write NAME@PROJECT.iam.gserviceaccount.com"
        reason = "it is no Google service account's e-mail"
        variables.refuse("serving_google_service_account", reason, hint)


def _check_toleration(variables: Variables, toleration: Any) -> None:
    def refuse(reason: str, hint: str) -> None:
        variables.refuse("serving_tolerations", reason, hint, value=toleration)

    if not isinstance(toleration, Mapping):
        refuse("it is not a dictionary", "Write {key: …, operator: Exists, effect: NoSchedule}")
        return
    operator, key = toleration.get("operator", "Equal"), toleration.get("key")
    if operator not in ("Equal", "Exists"):
        refuse(f"there is no operator {operator!r}", "Use Equal or Exists")
    elif operator == "Equal" and not key:
        refuse("without a key only operator Exists says something", "Add key, or write operator: Exists")
    elif operator == "Exists" and toleration.get("value"):
        refuse("operator Exists goes without value", "Leave value out, or use operator Equal")
    if toleration.get("effect", "") not in ("", "NoSchedule", "PreferNoSchedule", "NoExecute"):
        refuse(
            "there is no such effect",
            "Use NoSchedule, PreferNoSchedule or NoExecute, or leave it out for all",
        )
