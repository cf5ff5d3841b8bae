"""What can be wrong with the variables of monitoring."""

from __future__ import annotations

from collections.abc import Mapping

from ..monitoring.rules import AVAILABILITY_LEAST
from .reading import Variables, is_true

_INTERVAL_MAX = 30
"""Seconds; rates are taken over two minutes, and a look may fail."""
_OF_GKE = ("project_id", "location", "cluster", "namespace")
"""Labels that Google's Managed Service gives what is recorded and alerts, and takes from nobody else."""
_OF_EACH = ("namespace", "app", "severity")


def check_monitoring(variables: Variables) -> None:
    variables.integer("monitoring_interval_seconds", 5, _INTERVAL_MAX, unit="seconds")
    variables.integer("monitoring_start_seconds", 1, unit="seconds")
    for name in ("monitoring_availability", "monitoring_latency_quantile"):
        if variables.given.get(name) not in (None, ""):
            found = variables.number(name)
            if found is not None and not 0 < found < 1:
                variables.refuse(name, "it is no share", "Write one between 0 and 1, such as 0.999")
            elif found is not None and name == "monitoring_availability" and found <= AVAILABILITY_LEAST:
                variables.refuse(
                    name,
                    "no alert would fire even if every request failed",
                    f"Write more than {AVAILABILITY_LEAST:.3f}, such as 0.999",
                )
    if variables.given.get("monitoring_latency_ms") not in (None, ""):
        found = variables.number("monitoring_latency_ms")
        if found == 0:
            variables.refuse(
                "monitoring_latency_ms", "no request is answered at once", "Write milliseconds, such as 500"
            )
    if variables.given.get("monitoring_node_hour") not in (None, ""):
        variables.number("monitoring_node_hour")
    _check_labels(variables)


def _check_labels(variables: Variables) -> None:
    taken = {*_OF_EACH, *(_OF_GKE if variables.text("monitoring_source") == "gke" else ())}
    labels = variables.mapping("monitoring_alert_labels")
    if both := sorted(taken & set(labels)):
        variables.refuse(
            "monitoring_alert_labels",
            f"alerts have {' and '.join(both)} already",
            "Choose other names",
        )
    for name in ("monitoring_labels", "monitoring_dashboard_labels"):
        wrong = [
            key
            for key, value in variables.mapping(name).items()
            if isinstance(value, (Mapping, list)) or value is None
        ]
        if wrong:
            variables.refuse(name, f"{' and '.join(map(str, wrong))} is no label", "Write each as NAME: text")


def check_against_serving(variables: Variables) -> None:
    """For preflight, which has the serving role's variables, too."""
    if is_true(variables.given.get("monitoring_enabled")) and not variables.flag("serving_proxy_enabled"):
        variables.refuse(
            "monitoring_enabled",
            "requests, errors and the queue are told by the proxy alone, and serving_proxy_enabled is false",
            "Set serving_proxy_enabled: true",
            rule="monitoring-proxy",
        )
