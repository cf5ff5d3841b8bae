"""What Google refuses about the settings of a pool's nodes: swap, containerd's registries, the kubelet. Pure.

The words about swap and registries are Google's, of answers of August 2026; the kubelet's ranges are those of Google's
description of the API (NodeKubeletConfig of container.v1).
"""

from __future__ import annotations

import re
from typing import Any

from ..google.errors import GoogleError

Json = dict[str, Any]

_POLICIES = ("", "none", "static")
_WHOLE = {
    "podPidsLimit": (1024, 4194303),
    "imageGcLowThresholdPercent": (10, 85),
    "imageGcHighThresholdPercent": (10, 85),
    "containerLogMaxFiles": (2, 10),
}
_LOWEST, _HIGHEST = 0.001, 1.0
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TIME = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def check_node_settings(config: Json) -> None:
    """Raises ``GoogleError`` 400. ``config``: a pool's, or the part of it that an update sends."""
    _check_swap(config.get("linuxNodeConfig", {}).get("swapConfig", {}))
    _check_registries(config.get("containerdConfig", {}))
    _check_kubelet(config.get("kubeletConfig", {}))


def _check_swap(swap: Json) -> None:
    others = [name for name, value in swap.items() if name != "enabled" and value]
    if others and not swap.get("enabled"):
        raise GoogleError(400, "Swap is disabled, no other swapConfig fields can be set.")


def _check_registries(containerd: Json) -> None:
    for registry in containerd.get("registryHosts", []):
        for host in registry.get("hosts", []):
            for client in host.get("client", []):
                if not client.get("cert", {}).get("gcpSecretManagerSecretUri"):
                    raise GoogleError(400, "The cert field in client is required.")


def _check_kubelet(kubelet: Json) -> None:
    policy = kubelet.get("cpuManagerPolicy", "")
    if policy not in _POLICIES:
        raise _invalid("cpu_manager_policy", policy, 'must be "none" or "static"')
    for name, (low, high) in _WHOLE.items():
        # Zero is what is not set.
        value = int(kubelet.get(name) or 0)
        if value and not low <= value <= high:
            raise _invalid(_snake(name), value, f"must be from {low} to {high}")
    low, high = (int(kubelet.get(f"imageGc{which}ThresholdPercent") or 0) for which in ("Low", "High"))
    if low and high and low >= high:
        raise _invalid("image_gc_low_threshold_percent", low, "must be below image_gc_high_threshold_percent")
    period = kubelet.get("cpuCfsQuotaPeriod", "")
    if period and not (_TIME.fullmatch(period) and _LOWEST <= _seconds(period) <= _HIGHEST):
        raise _invalid("cpu_cfs_quota_period", period, "must be a duration from 1ms to 1s")


def _seconds(text: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


def _invalid(field: str, value: object, rule: str) -> GoogleError:
    return GoogleError(400, f'Invalid value for field "kubelet_config.{field}": "{value}": {rule}.')
