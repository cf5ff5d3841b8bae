"""Rules about room: replicas and nodes, rollouts, the load test, the model's memory. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from ..k8s.quantities import in_words
from ..variables.rules import RULES as RULES_OF_VARIABLES
from ..variables.serving_pod import too_little_memory
from ..variables.settings import Resources, Settings
from .capacity import capacity, replicas_on
from .judge import Rule, Said
from .nodes import pools_to_judge, rooms, serving_pools, why_not_there
from .project import NotKnown, Project, known

SPOT_NOTICE_SECONDS = 15
"""What pods have at least of the 30 s of notice that a Spot VM gets: 15 or 25 s, by GKE's version.
https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms"""


def pod_fits_no_node(settings: Settings, project: Project) -> Iterator[Said]:
    pools = pools_to_judge(settings)
    reasons = {pool.name: why_not_there(pool, settings, project) for pool in pools}
    if reasons and all(reasons.values()):
        each = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        yield (
            f"no node of any pool can take a pod of {settings.serving.name} ({words(settings.serving.pod)}): {each}",
            "Use a larger machine_type, ask for less (serving_cpu, serving_memory), or mend serving_node_selector and "
            "serving_tolerations.",
        )


def replicas_exceed_nodes(settings: Settings, project: Project) -> Iterator[Said]:
    maximum = settings.autoscaling.maximum
    if not serving_pools(settings, project):
        return  # pod-fits-no-node tells that, or nodes come as they are needed.
    room = capacity(rooms(settings, project), settings.serving.pod, settings.system_pods).replicas
    if room < maximum:
        yield (
            f"autoscaling_max_replicas is {maximum}, and {_nodes(settings)} hold {room} "
            f"pod{'' if room == 1 else 's'} of {words(settings.serving.pod)} beside GKE's own: "
            f"{_those(room, maximum)} would stay Pending for ever",
            _more_room(
                settings, project, maximum, f"Set autoscaling_max_replicas: {room}, " if room else "Set "
            ),
        )


def rollout_room(settings: Settings, project: Project) -> Iterator[Said]:
    if not serving_pools(settings, project):
        return
    maximum = settings.autoscaling.maximum
    desired = maximum + settings.serving.surplus(maximum)
    room = capacity(rooms(settings, project), settings.serving.pod, settings.system_pods).replicas
    if maximum <= room < desired:
        yield (
            f"at autoscaling_max_replicas ({maximum}) the nodes are full: a new version needs {desired - maximum} more at "
            "once, and would wait until the load is lower",
            _more_room(settings, project, desired, "Set "),
        )


def loadtest_room(settings: Settings, project: Project) -> Iterator[Said]:
    if not settings.loadtest.enabled or not serving_pools(settings, project):
        return
    maximum, replica = settings.autoscaling.maximum, settings.serving.pod
    places = rooms(settings, project)
    alone = capacity(places, replica, settings.system_pods)
    found = capacity(places, replica, (*settings.system_pods, *settings.loadtest.pods))
    if alone.replicas >= maximum and (found.replicas < maximum or found.unschedulable > alone.unschedulable):
        pods = len(settings.loadtest.pods)
        yield (
            f"beside Locust's {pods} pods there is room for {found.replicas} of {maximum} replicas: the load test would "
            "not see the highest number",
            "Raise max_node_count, give Locust a pool of its own (loadtest_node_selector), or lower loadtest_workers "
            "or loadtest_worker_cpu.",
        )


def spot_replicas(settings: Settings, project: Project) -> Iterator[Said]:
    if settings.autoscaling.minimum < 2 and _only_spot(settings, project):
        yield (
            f"all nodes for {settings.serving.name} are spot, and autoscaling_min_replicas is "
            f"{settings.autoscaling.minimum}: when Google takes the node away nobody answers until another has come",
            "Set autoscaling_min_replicas: 2, or add a pool without spot.",
        )


def spot_notice(settings: Settings, project: Project) -> Iterator[Said]:
    serving = settings.serving
    needed = serving.propagation + serving.drain
    if needed > SPOT_NOTICE_SECONDS and _only_spot(settings, project):
        yield (
            f"all nodes for {serving.name} are spot, which leaves pods {SPOT_NOTICE_SECONDS} s, and draining takes up "
            f"to {needed} s (serving_propagation_seconds + serving_drain_seconds): each node that Google takes away "
            "can lose requests",
            "Add a pool without spot, or live with it: preflight_ignore: [spot-notice].",
        )


def _only_spot(settings: Settings, project: Project) -> bool:
    try:
        pools = serving_pools(settings, project)
    except NotKnown:
        pools = list(settings.cluster.pools)  # A pool's size does not matter here.
    there = [pool for pool in pools if pool.maximum]
    return bool(there) and all(pool.spot for pool in there)


def model_memory(settings: Settings, project: Project) -> Iterator[Said]:
    found = known(project.model_bytes)
    sizes = [size or 0 for size in (found if isinstance(found, tuple) else (found,))]
    if wrong := too_little_memory(settings.serving.memory, sizes):
        reason, hint = wrong
        yield f"serving_memory is {memory(settings.serving.memory)}: {reason}", f"{hint}."


def _nodes(settings: Settings) -> str:
    pools = [f"{pool.maximum} × {pool.machine_type}" for pool in pools_to_judge(settings)]
    return f"the nodes at most ({', '.join(pools)})"


def _those(room: int, maximum: int) -> str:
    return f"replica {maximum}" if maximum - room == 1 else f"replicas {room + 1} to {maximum}"


def _more_room(settings: Settings, project: Project, desired: int, start: str) -> str:
    """How many nodes of the largest serving pool would do, as an advice."""
    pools, replica = serving_pools(settings, project), settings.serving.pod
    free = {room.free for room in rooms(settings, project) if room.serves}
    each = max(replicas_on(node, desired, replica) for node in free)
    pool = max(pools, key=lambda one: one.maximum)
    now = capacity(rooms(settings, project), replica, settings.system_pods).replicas
    more = math.ceil((desired - now) / max(1, each))
    return (
        f"{start}{'or ' if start.endswith(', ') else ''}max_node_count of pool {pool.name} so that there are {pool.maximum + more} nodes "
        "in all, or use a larger machine_type, or lower serving_cpu and serving_memory."
    )


def memory(amount: int) -> str:
    return in_words("memory", Fraction(amount))


def words(requests: Resources) -> str:
    """Requests as people write them."""
    gpus = f", {requests.gpus} GPU{'' if requests.gpus == 1 else 's'}" if requests.gpus else ""
    return f"{requests.cpu_milli / 1000:g} CPU, {memory(requests.memory)}{gpus}"


RULES = (
    Rule(
        "pod-fits-no-node",
        "error",
        "No node of any pool can ever take a pod of the model server: size, labels or taints.",
        pod_fits_no_node,
    ),
    Rule(
        "replicas-exceed-nodes",
        "error",
        "The most replicas do not fit what Google leaves for pods on the most nodes.",
        replicas_exceed_nodes,
    ),
    Rule(
        "rollout-room",
        "warning",
        "With the most replicas there is no room for the pod that a new version begins with.",
        rollout_room,
    ),
    Rule(
        "loadtest-room",
        "warning",
        "Beside Locust's pods the most replicas do not fit (only where the load test is enabled).",
        loadtest_room,
    ),
    Rule(
        "spot-replicas", "warning", "All nodes are spot, and one replica may be all there is.", spot_replicas
    ),
    Rule(
        "spot-notice",
        "warning",
        "All nodes are spot, and draining takes longer than their notice.",
        spot_notice,
    ),
    Rule("model-memory", "error", RULES_OF_VARIABLES["model-memory"].about, model_memory, "serving_memory"),
)
