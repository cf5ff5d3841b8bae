"""What the module site_leftovers_info does from beginning to end: asks, judges, and asks again until what goes is gone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..gcp.options import GCS_ENDPOINT, GKE_ENDPOINT
from ..gcp.rest import connect
from ..preflight.gather import HOSTS, Apis
from ..preflight.rates import prices
from ..progress import progress
from ..retry import Clock, Policy
from .gather import gather
from .judge import judge, unread
from .site import Found, Site

Json = dict[str, Any]

POLL_SECONDS = 5.0
_POLICY = Policy(attempts=3)
"""Of a request: what can't be read is said."""


def look(params: Json, clock: Clock | None = None) -> Json:
    """The module's result. Raises ``GoogleError`` for options that can't be."""
    clock = clock or Clock()
    site = Site(
        **{name: params[name] or "" for name in ("project", "cluster", "location", "namespace", "app", "bucket")},
        accounts=tuple(params["accounts"]), addresses=tuple(params["addresses"]),
    )  # fmt: skip
    table, apis = prices(params["prices"]), _apis(params)
    began, told, first = clock.now(), "", None
    while True:
        answers = gather(site, apis)
        found = judge(site, answers, table)
        going = [one for one in found if one.sure and one.of in params["until_gone"]]
        blind = {what for what, _kinds, _why in unread(answers)}
        first = blind if first is None else first
        if (
            not (going or blind - first)
            or clock.now() - began >= params["timeout"]
            or not params["until_gone"]
        ):
            break
        words = (
            f"{len(going)} resources are still there, such as {named(going[0])}"
            if going
            else f"{', '.join(sorted(blind - first))} can't be read at the moment"
        )
        if words != told:
            progress(words)
        told = words
        clock.sleep(POLL_SECONDS)
    return {
        "changed": False,
        "resources": [asdict(one) for one in found],
        "unread": [
            {"what": what, "kinds": list(kinds), "reason": why.reason, "hint": why.hint}
            for what, kinds, why in unread(answers)
        ],
        "prices": {key: table[key] for key in ("currency", "date", "region", "source")},
    }


def named(found: Found) -> str:
    return f"{found.kind} {found.name} in {found.place}"


def _apis(params: Mapping[str, Any]) -> Apis:
    google = connect(params)
    google.policy = _POLICY
    endpoints = {name: params["api_endpoint"] or host for name, host in HOSTS.items()}
    for name, own, (_unused, variable) in (
        ("gke", params["gke_api_endpoint"], GKE_ENDPOINT),
        ("storage", params["storage_api_endpoint"], GCS_ENDPOINT),
    ):
        endpoints[name] = own or os.environ.get(variable) or endpoints[name]
    return Apis(google, endpoints)
