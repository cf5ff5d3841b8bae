"""What preflight does from beginning to end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from ..gcp.errors import BadInput, GoogleError
from ..gcp.options import GCS_ENDPOINT, GKE_ENDPOINT, argument_spec
from ..retry import Policy
from ..variables.findings import Finding, kept, refuse_unknown
from ..variables.rules import NEVER_IGNORED
from ..variables.rules import RULES as RULES_OF_VARIABLES
from ..variables.settings import Settings
from ..variables.to_settings import refuse_options, settings
from . import words
from .estimate import cost, reaction, total
from .gather import HOSTS, Apis, gather
from .judge import judge
from .project import Project, Unread
from .rates import prices
from .rules import RULES

Json = dict[str, Any]

ARGUMENTS: Json = argument_spec(
    ("", "GCP_API_ENDPOINT"),
    ignore={"type": "list", "elements": "str", "default": []},
    prices={"type": "dict", "default": {}},
    system_requests={
        "type": "dict",
        "default": {"node": {}, "pods": []},
        "options": {
            "node": {"type": "dict", "default": {}},
            "pods": {"type": "list", "elements": "dict", "default": []},
        },
    },
    metrics_window_seconds={"type": "int", "default": 30},
    node_boot_seconds={"type": "list", "elements": "int", "default": [80, 120]},
)

_POLICY = Policy(attempts=2)
"""Of a request: preflight is to be quick, and what it can't read it says."""


def preflight(
    options: Json,
    variables: Mapping[str, Any],
    findings: Iterable[Finding] = (),
    read: Callable[[Settings, Json, Mapping[str, Any]], Project] | None = None,
) -> Json:
    """The module's result; ``failed`` where there are errors. Raises ``BadInput``.

    ``variables``: of the roles, templated. ``findings``: what is wrong with them already.
    """
    refuse_unknown({*RULES_OF_VARIABLES, *(rule.id for rule in RULES)}, options["ignore"], NEVER_IGNORED)
    refuse_options(options)
    table = prices(options["prices"])
    project = options["project"] or ""
    if not project and not variables["cluster_existing_kubeconfig"]:
        raise BadInput("project is not set: give gcp_project, or GCP_PROJECT in the environment.")
    try:
        asked = settings(variables, project, options)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = "; ".join([*(finding.message for finding in findings), str(error)])
        raise BadInput(f"The variables can't be judged: {why}.") from error
    facts = (read or read_project)(asked, options, variables)
    found = kept([*findings, *judge(RULES, asked, facts)], options["ignore"], NEVER_IGNORED)
    money, phases = cost(asked, facts, table), reaction(asked)
    low, high = total(phases)
    told = [
        *words.lines(found),
        words.cost_in_words(money, asked.cluster.region),
        words.reaction_in_words(phases),
    ]
    failed = any(finding.severity == "error" for finding in found)
    summary = f"preflight: {words.in_sum(found)}"
    errors = sorted({finding.id for finding in found if finding.severity == "error"})
    return {
        "changed": False,
        "failed": failed,
        "msg": f"{summary}; what and why is told above: {', '.join(errors)}" if failed else summary,
        "lines": [summary, *told],
        "findings": [asdict(finding) for finding in found],
        "cost": money,
        "reaction": {
            "min_seconds": low,
            "max_seconds": high,
            "phases": [
                {
                    "name": one.name,
                    "seconds": list(one.seconds) if one.seconds else None,
                    "source": one.source,
                }
                for one in phases
            ],
        },
    }


def read_project(asked: Settings, options: Json, variables: Mapping[str, Any]) -> Project:
    """Asks Google, with the options' credentials."""
    return gather(asked, _apis(asked, options, variables))


def _apis(asked: Settings, options: Json, variables: Mapping[str, Any]) -> Apis | Unread:
    if not asked.project:
        return Unread("no Google Cloud project is named (gcp_project), so none was asked")
    try:
        from ..gcp.rest import connect  # noqa: PLC0415 its packages may be missing

        google = connect(options)
    except ImportError:
        return Unread(
            "google-auth and requests are not installed, so Google was not asked",
            "Install requirements.txt.",
        )
    except GoogleError as error:
        return Unread(str(error).rstrip("."))
    google.policy = _POLICY
    everything = options["api_endpoint"]
    endpoints = {name: everything or host for name, host in HOSTS.items()}
    for name, role, (_unused, environment) in (
        ("gke", "cluster", GKE_ENDPOINT),
        ("storage", "storage", GCS_ENDPOINT),
    ):
        own = variables[f"{role}_api_endpoint"] or os.environ.get(environment)
        endpoints[name] = own or endpoints[name]
    return Apis(google, endpoints)
