"""What clients may send to the proxy: how much, how deep, how often, from how many connections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..serving.clients import clients_hidden
from .reading import Variables

_NESTING_MAX = 64
"""The proxy's pattern grows with it, by some 60 characters a level."""


def check_guard(variables: Variables) -> None:
    if not variables.flag("serving_proxy_enabled"):
        return
    variables.integer("serving_max_streams", 1, 1000)
    variables.integer("serving_client_timeout", 1, 600, unit="seconds")
    variables.flag("serving_compressed_requests")
    variables.integer("serving_client_connections")
    variables.integer("serving_client_requests")
    hidden = clients_hidden(
        variables.text("serving_service_type"), variables.text("serving_external_traffic_policy")
    )
    if variables.integer("serving_client_rate") and hidden:
        variables.refuse(
            "serving_client_rate",
            f"with {hidden} the proxy sees one address for many clients, and would refuse all of them for one",
            "Write 0, or use serving_external_traffic_policy: Local",
            rule="client-address",
        )
    largest = variables.integer("serving_max_request_bytes", 1024, 10**9, unit="bytes")
    deepest = variables.integer("serving_max_nesting", 0, _NESTING_MAX, unit="levels")
    models = [model for model in variables.listing("serving_models") if isinstance(model, Mapping)]
    for name, golden in [(f"golden of {model.get('name')}", model.get("golden")) for model in models] or [
        ("serving_golden", variables.given.get("serving_golden"))
    ]:
        for request in golden if isinstance(golden, list | tuple) else []:
            _check_request(variables, name, request, largest, deepest)


def _check_request(
    variables: Variables, name: str, request: Any, largest: int | None, deepest: int | None
) -> None:
    if not isinstance(request, Mapping):
        return
    body = {key: request[key] for key in ("signature_name", "instances", "inputs") if key in request}
    what = f"the request {request.get('name')!r} in {name}"
    size, depth = len(json.dumps(body, default=str)), _depth(body)
    if largest is not None and size > largest:
        variables.refuse(
            "serving_max_request_bytes",
            f"{what} has {size} bytes",
            f"Write {size} or more",
            rule="request-limits",
        )
    if deepest and depth > deepest:
        variables.refuse(
            "serving_max_nesting",
            f"{what} is nested {depth} levels deep",
            f"Write {depth} or more",
            rule="request-limits",
        )


def _depth(value: Any) -> int:
    """Levels of arrays and objects, by widths: without recursion, since a file may hold anything."""
    level, depth = [value], 0
    while level := [item for item in level if isinstance(item, Mapping | list | tuple)]:
        depth += 1
        level = [child for item in level for child in (item.values() if isinstance(item, Mapping) else item)]
    return depth
