"""List prices of what a site is made of: each an hour, or, of disks, a GiB and month. A user's own are merged into it.

Python, not JSON: a module that runs in a process of its own gets Python files alone.
"""

from __future__ import annotations

from typing import Any

PRICES: dict[str, Any] = {
    "date": "2026-09-27",
    "source": "Google's list prices for us-central1 (https://cloud.google.com/compute/vm-instance-pricing, https://cloud.google.com/kubernetes-engine/pricing, https://cloud.google.com/vpc/pricing), without discounts and taxes",
    "currency": "USD",
    "region": "us-central1",
    "cluster_hour": 0.1,
    "forwarding_rule_hour": 0.025,
    "unused_address_hour": 0.01,
    "spot_factor": 0.4,
    "custom_factor": 1.05,
    "machine_types": {
        "e2-micro": 0.00838,
        "e2-small": 0.01675,
        "e2-medium": 0.03351,
    },
    "families": {
        "e2": {"cpu_hour": 0.02181159, "gib_hour": 0.00292353},
        "n1": {"cpu_hour": 0.031611, "gib_hour": 0.004237},
        "n2": {"cpu_hour": 0.031611, "gib_hour": 0.004237},
        "n2d": {"cpu_hour": 0.027502, "gib_hour": 0.003686},
        "t2d": {"cpu_hour": 0.027502, "gib_hour": 0.003686},
        "c2": {"cpu_hour": 0.03398, "gib_hour": 0.00455},
        "g2": {"cpu_hour": 0.024988, "gib_hour": 0.002927},
    },
    "accelerators": {"nvidia-l4": 0.56004, "nvidia-tesla-t4": 0.35},
    "disk_gib_month": {
        "pd-standard": 0.04,
        "pd-balanced": 0.1,
        "pd-ssd": 0.17,
    },
}
