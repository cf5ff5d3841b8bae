"""What can be wrong with the load test's variables. Shape, payload and limits are held against the model by
mlops.tfserving.locust_prepare.
"""

from __future__ import annotations

from .reading import Variables


def check_loadtest(variables: Variables) -> None:
    variables.integer("loadtest_workers", 1)
    for name, minimum, example in (
        ("loadtest_master_cpu", "1m", "500m"),
        ("loadtest_worker_cpu", "1m", "1 or 500m"),
        ("loadtest_memory", "16Mi", "256Mi"),
    ):
        variables.amount(name, minimum, example)
