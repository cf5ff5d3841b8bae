"""Whatever becomes of another metric's source: from the same state the HPA never sets fewer than by the CPU alone."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.limits import Memory, Recommendation
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.look import look
from ansible_collections.mlops.tfserving.plugins.module_utils.hpa.seen import (
    Behavior,
    Controller,
    Metric,
    Pod,
    Policy,
    Reading,
    Rules,
    Sample,
    Seen,
    Spec,
)

CPU = Metric("ContainerResource", "cpu", "Utilization", 60, "tfserving")
IN_FLIGHT = Metric("External", "m-in-flight", "AverageValue", 3000)
NOT_A_NUMBER = 0  # what prometheus-adapter makes of it
FAULTS: dict[str, Callable[[int, random.Random], Reading]] = {
    "none": lambda true, _: (true,),
    "no such metric": lambda *_: "the server could not find the metric",
    "no value": lambda *_: "no metrics returned from external metrics API",
    "source is slow": lambda *_: "context deadline exceeded",
    "source starts anew": lambda *_: "the server is currently unable to handle the request",
    "source says no": lambda *_: "forbidden",
    "value of long ago": lambda true, chance: (chance.choice((0, true // 5, true * 5)),),
    "no number": lambda *_: (NOT_A_NUMBER,),
    "always nothing": lambda *_: (0,),
    "below nothing": lambda true, _: (-true,),
    "a thousandth": lambda true, _: (true // 1000,),
    "a thousand times": lambda true, _: (true * 1000,),
    "half of the pods": lambda true, _: (true // 2,),
}


def rules(chance: random.Random) -> Rules:
    policies = tuple(
        Policy(chance.choice(("Pods", "Percent")), chance.choice((1, 4, 50, 100)), chance.choice((15, 60)))
        for _ in range(chance.randint(1, 2))
    )
    select = chance.choice(("Max", "Max", "Min", "Disabled"))
    return Rules(policies, chance.choice((0, 15, 60, 300)), select, chance.choice((None, 0.0, 0.3)))


def world(chance: random.Random) -> tuple[Spec, Seen, Memory]:
    """An HPA with the CPU alone, and what it sees and remembers: pods that start, go and have no sample among them."""
    replicas = chance.randint(1, 20)
    pods, samples = [], {}
    for number in range(replicas):
        ready = chance.random() < 0.85
        name = f"m-{number}"
        pods.append(
            Pod(
                name, phase="Running" if ready else chance.choice(("Running", "Pending")),
                deleting=chance.random() < 0.05, ready="True" if ready else "False",
                ready_since=-900.0 if ready else -5.0, started=-1000.0 if ready else -20.0,
                requests={"tfserving": {"cpu": 300}},
            )
        )  # fmt: skip
        if chance.random() < 0.9:
            samples[name] = Sample(chance.randint(0, 300), -5.0, 15.0)
    minimum = chance.randint(1, 5)
    spec = Spec(minimum, chance.randint(minimum, 25), (CPU,), Behavior(rules(chance), rules(chance)))
    past = tuple(
        Recommendation(chance.randint(1, 20), -15.0 * back) for back in range(chance.randint(0, 20), 0, -1)
    )
    return spec, Seen(0.0, replicas, replicas, tuple(pods), (samples,)), Memory(past)


@pytest.mark.parametrize("minor", [34, 37])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_fleet_is_never_smaller_than_the_cpu_alone_would_make_it(fault: str, minor: int) -> None:
    chance, controller = random.Random(f"{fault} {minor}"), Controller(minor)
    moved = 0
    for _ in range(1500):
        spec, seen, memory = world(chance)
        alone = look(spec, seen, memory, controller)
        reading = FAULTS[fault](chance.randint(0, 100_000), chance)
        both = look(
            dataclasses.replace(spec, metrics=(CPU, IN_FLIGHT)),
            dataclasses.replace(seen, readings=(*seen.readings, reading)), memory, controller,
        )  # fmt: skip
        assert both.replicas >= alone.replicas, (spec, seen, reading)
        moved += alone.replicas != seen.replicas
    assert moved > 300, "these worlds have to move the fleet"
