"""What timeline.jsonl and report.json hold: each field with its type, its meaning and, where it has one, its unit.

docs/report-format.md and the JSON Schemas in docs/schema/ are made from this file by tools/report_format.py.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from ..hpa.look import Decider
from .histogram import DELAYS

Json = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Unit:
    """What a number counts."""

    name: str


Moment = Annotated[float, Unit("s since 1970")]
Seconds = Annotated[float, Unit("s")]
Milliseconds = Annotated[float, Unit("ms")]
Percent = Annotated[float, Unit("%")]
PerSecond = Annotated[float, Unit("1/s")]
Phase = Literal["decide", "create", "schedule", "fetch", "load", "serve", "drain", "node_gone"]


def as_json(item: Any) -> Json:
    """A dataclass as report.json has it: its fields, and what it derives from them (its properties)."""
    derived = [name for name, value in vars(type(item)).items() if isinstance(value, property)]
    return {**dataclasses.asdict(item), **{name: getattr(item, name) for name in derived}}


class Metric(TypedDict):
    """Something that an HPA holds against a target."""

    name: Annotated[str, "the metric's name; of resources `cpu` or `memory`"]
    type: Annotated[
        Literal["Resource", "ContainerResource", "Pods", "Object", "External"], "as in the HPA's spec (autoscaling/v2)"
    ]  # fmt: skip
    of: Annotated[str, "the container, or the object as Kind/name; empty where it is neither"]
    current: Annotated[
        float | None, "what the HPA saw; null where it has no value, as while there is no replica"
    ]
    target: Annotated[float | None, "what it should be"]
    unit: Annotated[
        str, "of both: `%` (of the request), `cores`, `bytes` or nothing, `a replica` where it is an average"
    ]


class PlannedLoad(TypedDict):
    """The load that was planned."""

    kind: Annotated[str, "kind of the shape"]
    model: Annotated[
        Literal["closed", "open"], "whether levels are users (closed) or requests that are due in a second"
    ]
    pieces: Annotated[
        list[list[float]], "straight pieces of the curve: seconds, level at the begin, level at the end"
    ]
    spawn_rate: Annotated[PerSecond, "users that start in a second"]
    arrivals: Annotated[str, "how requests of the open model are due: even, poisson or recorded"]
    moments: Annotated[list[float], "recorded requests: seconds from the begin at which each is due"]
    users: Annotated[int, "most users at a time; 0 in the open model"]
    requests: Annotated[float | None, "requests that are due in all; null in the closed model"]
    seconds: Annotated[Seconds, "length of the curve"]
    ramp_down: Annotated[
        Seconds,
        "of it, at its end, in which the load goes; what came before is what `while steady` speaks of",
    ]


class Line(TypedDict):
    """What every line of the timeline has."""

    t: Annotated[Moment, "when it was seen, by the controller's clock as it was at the start of the run"]
    kind: Annotated[str, "what kind of line it is"]


class Run(TypedDict):
    """The load is about to begin."""

    namespace: Annotated[str, "where the model server runs"]
    deployment: Annotated[str, "its Deployment"]
    replicas: Annotated[int, "replicas that are ready"]
    nodes: Annotated[int, "nodes that are ready"]
    workers: Annotated[int | None, "Locust's workers; null in runs of early versions"]
    plan: Annotated[PlannedLoad | None, "what was planned, if that is known"]
    locustfile: Annotated[
        str | None, "name of the locustfile of somebody's own whose users came; null for the role's"
    ]
    kubernetes: Annotated[str | None, "the API server's version; null in runs of early versions"]
    cluster: Annotated[
        str | None,
        "which cluster: UID of its namespace kube-system; null where that may not be read, and in runs of early versions",
    ]


class Standstill(TypedDict):
    """How long a worker answered nobody, since the begin of the run."""

    worker: Annotated[str, "Locust's name of it"]
    longest_ms: Annotated[Milliseconds, "the longest time"]
    delayed_s: Annotated[
        list[float], f"seconds in which an answer would have waited in it for longer than {', '.join(map(str, DELAYS))} ms"
    ]  # fmt: skip


class Going(TypedDict):
    """The part of a sample's new requests that began after the load had begun to go (`ramp_down`)."""

    histogram: Annotated[dict[str, int], "requests by bucket of response time"]
    failed_histogram: Annotated[dict[str, int], "of these the ones that failed"]


class Load(TypedDict):
    """A look at Locust's master, every 2 s; counts are since the begin of the run."""

    state: Annotated[str, "Locust's own word: spawning, running, cleanup, stopping, stopped, ready"]
    users: Annotated[int | None, "users at work; null in the open model"]
    elapsed: Annotated[
        Seconds | None, "time since the begin by the master's clock; null when there is no load"
    ]
    finished: Annotated[bool | None, "whether the shape came to its end"]
    offered: Annotated[float | None, "the planned level at this time"]
    requests: Annotated[int, "answered, well or badly"]
    failures: Annotated[int, "of these the ones that failed"]
    errors: Annotated[
        dict[str, int],
        "failures by kind: dns, connect, timeout, reset, answer, unanswered, other, `http 503` and so on",
    ]
    examples: Annotated[dict[str, str], "one message of each kind"]
    rate: Annotated[PerSecond, "requests answered, over the last 6 s"]
    workers: Annotated[int, "workers that are there"]
    worker_cpu: Annotated[Percent, "of a core, the busiest worker"]
    standstills: Annotated[
        list[Standstill], "of each worker, by its last report; empty in runs of early versions"
    ]
    silent_s: Annotated[Seconds, "the longest that a worker has said nothing"]
    clock_s: Annotated[Seconds, "how far the worst worker's clock is from the master's"]
    backlog: Annotated[int, "open model: requests that are due and could not be sent yet"]
    in_flight: Annotated[int, "open model: requests that wait for their answer"]
    leaving: Annotated[int, "users who were told to go and wait for their last answer"]
    late_ms: Annotated[Milliseconds, "open model: how late the latest request was sent"]
    started: Annotated[int, "open model: requests that were sent"]
    histogram: Annotated[
        dict[str, int], "requests since the last look by bucket of response time, each 2 % wide"
    ]
    failed_histogram: Annotated[
        dict[str, int] | None, "of these the ones that failed; null in runs of early versions"
    ]
    going: Annotated[
        Going | None,
        "of these the ones that began after the load had begun to go; null in runs of early versions",
    ]
    p50_ms: Annotated[
        Milliseconds | None,
        "median response time of the last 6 s, where a failed request is slower than any; null without requests, or where it failed itself",
    ]
    p95_ms: Annotated[Milliseconds | None, "95th percentile of the same"]
    p99_ms: Annotated[Milliseconds | None, "99th percentile of the same"]


class Hpa(TypedDict):
    """The HPA whose scaleTargetRef is the Deployment, after each change."""

    name: Annotated[str, "its name"]
    min: Annotated[int, "fewest replicas"]
    max: Annotated[int, "most replicas"]
    current: Annotated[int, "replicas that it sees"]
    desired: Annotated[int, "replicas that it wants"]
    metrics: Annotated[list[Metric], "what it looks at"]
    averages: Annotated[
        list[float | None],
        "what it saw of each of these as an average over pods, in cores, bytes or the metric's own unit; null where it shows none",
    ]
    conditions: Annotated[
        dict[str, str], "reason of each condition in its status, as AbleToScale: ReadyForNewScale"
    ]
    rescaled: Annotated[Moment | None, "when it last changed the replicas, by its own clock in whole seconds"]
    gone: Annotated[bool, "whether it was removed"]


class HpaSpec(TypedDict):
    """What the HPA was told, at first and after each change."""

    name: Annotated[str, "its name"]
    spec: Annotated[dict[str, Any], "as autoscaling/v2 has it"]


class Deployment(TypedDict):
    """The Deployment under test, after each change."""

    name: Annotated[str, "its name"]
    wanted: Annotated[int, "replicas in its spec"]
    ready: Annotated[int | None, "replicas that are ready, as its controller counts"]
    selector: Annotated[dict[str, str], "labels of its pods; empty in runs of early versions"]
    gone: Annotated[bool, "whether it was removed"]


class Pod(TypedDict):
    """A pod of the namespace, after each change; times are Kubernetes' own, in whole seconds."""

    name: Annotated[str, "its name"]
    app: Annotated[str, "its label `app`; empty without one"]
    phase: Annotated[str | None, "Pending, Running, Succeeded, Failed or Unknown"]
    node: Annotated[str | None, "its node, once it has one"]
    created: Annotated[Moment | None, "creation"]
    scheduled: Annotated[Moment | None, "condition PodScheduled became true"]
    initialized: Annotated[Moment | None, "condition Initialized became true"]
    started: Annotated[Moment | None, "the last of its containers started"]
    ready: Annotated[Moment | None, "condition Ready became true; null while it is not"]
    leaving: Annotated[bool, "whether it is being deleted"]
    metrics_port: Annotated[int | None, "its annotation prometheus.io/port"]
    accepted: Annotated[Moment | None, "its kubelet took it (status.startTime)"]
    readiness: Annotated[
        str | None, "status of its condition Ready: True, False or Unknown; null without one"
    ]
    readiness_since: Annotated[Moment | None, "when that status last changed"]
    gone: Annotated[bool, "whether it is no more"]


class PodSpec(TypedDict):
    """What of a pod's spec the HPA goes by, at first and after each change; amounts are in thousandths."""

    name: Annotated[str, "its name"]
    labels: Annotated[dict[str, str], "its labels"]
    requests: Annotated[dict[str, dict[str, int]], "by container (sidecars among them) and resource"]
    limits: Annotated[dict[str, dict[str, int]], "the same of what it may use at most"]
    pod_requests: Annotated[dict[str, int], "by resource, where the pod itself requests"]


class PodSample(TypedDict):
    """Resources that a pod used, as the metrics API (metrics.k8s.io) has them."""

    pod: Annotated[str, "its name"]
    at: Annotated[Moment, "the end of the time that it was measured over"]
    window: Annotated[Seconds, "the length of that time"]
    usage: Annotated[dict[str, dict[str, int]], "by container and resource, in thousandths"]


class Samples(TypedDict):
    """Samples of the Deployment's pods that were new, or gone, at a look at the metrics API, every 2 s."""

    since: Annotated[Moment, "when that look was made; `t` is when it was answered"]
    before: Annotated[Moment, "when the look before was made, which did not have them yet"]
    pods: Annotated[list[PodSample], "what was new"]
    gone: Annotated[list[str], "pods without a sample any more"]
    problem: Annotated[str, "why there are none; empty where there are"]


class Node(TypedDict):
    """A node, after each change."""

    name: Annotated[str, "its name"]
    pool: Annotated[str, "its node pool; empty outside of GKE"]
    machine: Annotated[str, "its machine type; empty where it has no such label"]
    spot: Annotated[bool, "whether it may be taken away at any time, and costs less"]
    accelerators: Annotated[dict[str, int], "types and numbers of its GPUs"]
    disk_type: Annotated[str, "of its boot disk; empty where it has no such label"]
    created: Annotated[Moment | None, "creation"]
    ready: Annotated[Moment | None, "condition Ready became true; null while it is not"]
    leaving: Annotated[bool, "whether the node autoscaler is about to remove it"]
    gone: Annotated[bool, "whether it is no more"]


class Event(TypedDict):
    """An event of Kubernetes that explains what the autoscalers did."""

    reason: Annotated[str, "as SuccessfulRescale, TriggeredScaleUp, FailedScheduling"]
    object: Annotated[str, "what it is about, as Kind/name"]
    at: Annotated[Moment | None, "when it happened, by whoever wrote it"]
    message: Annotated[str, "its text, cut after 300 characters"]


class Metrics(TypedDict):
    """A model server's own counter, after each change; the first before the load."""

    name: Annotated[str, "the pod"]
    requests: Annotated[int, "requests that it has answered since it started"]


class Refused(TypedDict):
    """What a pod's proxy has refused, after each change; the first before the load, if there was something."""

    name: Annotated[str, "the pod"]
    counts: Annotated[
        dict[str, int],
        "since it started, by way: size, nesting, full and so on as in docs/serving.md, connections that were closed, and held_full, held_late, "
        "held_paused and held_turn of a pod that holds requests while there is no replica",
    ]


class Trouble(TypedDict):
    """Something went wrong: the run proves nothing."""

    reason: Annotated[str, "what, and the way out"]


class Enough(TypedDict):
    """The load was ended before its plan's end, as was asked for: the run has shown what it was made for."""

    reason: Annotated[str, "which limit was not kept, and since when"]
    elapsed: Annotated[Seconds, "of the plan until then"]


class Gap(TypedDict):
    """Something could not be seen for a while; changes within have the time at which they were seen."""

    of: Annotated[str, "a kind of objects, or Locust"]
    since: Annotated[Moment, "when it was last seen before"]
    seconds: Annotated[Seconds, "for how long"]


class ClockOffset(TypedDict):
    """A clock held against the controller's."""

    of: Annotated[str, "whose"]
    ahead_s: Annotated[Seconds, "how far it is ahead"]
    within_s: Annotated[Seconds, "how exactly that is known"]


KINDS: dict[str, type] = {
    "run": Run, "load": Load, "hpa": Hpa, "hpa_spec": HpaSpec, "deployment": Deployment, "pod": Pod, "pod_spec": PodSpec,
    "samples": Samples, "node": Node, "event": Event, "metrics": Metrics, "refused": Refused, "trouble": Trouble, "enough": Enough, "gap": Gap, "clock": ClockOffset,
}  # fmt: skip
"""The kinds of lines; each has the fields of ``Line`` beside its own."""


@dataclasses.dataclass(frozen=True)
class Check:
    """A limit, and whether the run kept it."""

    name: Annotated[str, "the line of the limit"]
    value: Annotated[float | None, "what was measured; null when nothing was"]
    relation: Annotated[str, "at most, below, at least, above, exactly or not"]
    limit: Annotated[float, "what it was held against"]
    ok: Annotated[bool, "whether it was kept"]
    evidence: Annotated[str, "where the value comes from"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """A sentence about the run."""

    text: Annotated[str, "what was seen"]
    hint: Annotated[str, "what would help; empty when nothing is known"] = ""
    t: Annotated[Moment | None, "the moment it speaks of"] = None
    short: Annotated[str, "the same in a few words, for the picture's margin"] = ""


@dataclasses.dataclass
class Reaction:
    """One decision of the HPA and what followed."""

    direction: Annotated[Literal["out", "in"], "more replicas, or fewer"]
    started: Annotated[Moment, "when the load changed"]
    replicas_from: Annotated[int, "desired replicas before"]
    replicas_to: Annotated[int, "desired replicas after"]
    phases: Annotated[dict[Phase, Seconds], "where the time went, in order; phases that did not come are left out"] = (
        dataclasses.field(default_factory=dict)
    )  # fmt: skip
    ended: Annotated[
        Literal["ready", "taken back", "gone"] | None,
        "how it ended: all new pods were ready; or the HPA took one back before it was, with which its last phase ends; or the pods "
        "that were too many were gone. null where it did not end: a pod was never ready, never made or never gone",
    ] = None
    node_wait: Annotated[
        Seconds | None,
        "from the request for a node until it was ready, or the HPA took the pod back; null without a request, or where neither came",
    ] = None
    metric_lag: Annotated[
        Seconds | None, "from the rise of load until the HPA saw a metric above its target"
    ] = None
    pod: Annotated[
        str | None, "outwards, the pod that was waited for longest; null where it was never made"
    ] = None

    @property
    def total(self) -> Seconds | None:
        """all phases together; null where it did not end"""
        return None if self.ended is None else round(sum(self.phases.values()), 1)

    @property
    def ready_s(self) -> Seconds | None:
        """outwards, from the rise of load until the last new pod was ready or taken back; null where one never was"""
        if self.direction != "out" or self.ended is None:
            return None
        return round(sum(self.phases.values()) - self.phases.get("serve", 0.0), 1)


@dataclasses.dataclass(frozen=True)
class Look:
    """One look of the HPA: what it saw, the rule that decided, and what it made of it."""

    t: Annotated[Moment, "when its result was seen; where it left none, when it must have been"]
    seen: Annotated[
        bool,
        "whether it changed the HPA's status; a look that changes nothing leaves no trace, and its time follows from the others'",
    ]
    replicas: Annotated[int, "replicas in the Deployment's spec"]
    pods: Annotated[int, "pods under the Deployment's selector"]
    counted: Annotated[int, "of these the ones whose sample counted, for the metric that led"]
    values: Annotated[list[float | None], "what it saw of each metric, in the metric's unit"]
    rule: Annotated[Decider, "what decided, as in [autoscaling.md](autoscaling.md#every-look-explained)"]
    words: Annotated[str, "the same in a sentence"]
    wanted: Annotated[int | None, "what the metrics asked for; null where they were not read"]
    desired: Annotated[int, "what the HPA set"]
    explained: Annotated[
        bool, "whether Kubernetes' rules, applied to what was recorded, give what the HPA saw and set"
    ]


class Looks(TypedDict):
    """The looks of a run."""

    period: Annotated[Seconds | None, "from one look to the next; null with fewer than two"]
    all: Annotated[list[Look], "in order of time"]
    unexplained: Annotated[int, "how many of them are not explained"]
    hidden: Annotated[
        int, "looks that fell into a time in which the HPA could not be seen; they are left out"
    ]
    problem: Annotated[str, "why there are none, or what is assumed; empty for neither"]


class Best(TypedDict):
    """The fewest replica-seconds that would have kept a limit, had the load been known in advance; docs/tuning.md."""

    problem: Annotated[str, "why it is not known; everything else is null or empty then"]
    limit: Annotated[str, "the limit, as a line"]
    share: Annotated[float | None, "of the requests that have to be in time"]
    attained: Annotated[float | None, "of the requests that were, in this run"]
    replica_seconds: Annotated[Seconds | None, "of this run: from each pod's making until it was gone"]
    bound: Annotated[Seconds | None, "replica-seconds that no schedule which keeps the limit is below"]
    ratio: Annotated[float | None, "this run's as a multiple of the bound"]
    schedule: Annotated[
        list[list[float]], "the best schedule that was found: seconds since the load began, replicas ready"
    ]
    schedule_cost: Annotated[Seconds | None, "its replica-seconds, starts and drains included"]
    node_seconds: Annotated[Seconds | None, "of this run"]
    node_bound: Annotated[Seconds | None, "the same bound of node-seconds, with nodes full of replicas"]
    cpu_ms: Annotated[Milliseconds | None, "CPU that a request took, of a core"]
    capacity: Annotated[PerSecond | None, "requests that keep a replica busy all the time"]
    start: Annotated[Seconds | None, "from a replica's node until it is ready"]
    drain: Annotated[Seconds | None, "from the order to go until it is gone"]
    node_start: Annotated[Seconds | None, "from the request for a node until it is ready"]
    node_end: Annotated[Seconds | None, "from when a node's last replica is gone until it is"]
    assumed: Annotated[list[str], "which of these four were not met in the run, and are assumed"]


class PoolCost(TypedDict):
    """What the nodes of a pool cost."""

    pool: Annotated[str, "its name; empty outside of GKE"]
    machine: Annotated[str, "machine type; empty where it is not known"]
    spot: Annotated[bool, "whether they cost less and may be taken away"]
    accelerators: Annotated[dict[str, int], "types and numbers of a node's GPUs"]
    disk: Annotated[str, "a node's boot disk"]
    node_hours: Annotated[float, "hours of nodes"]
    node_hour_price: Annotated[
        float | None, "of a node, GPUs and boot disk included; null where the table has none"
    ]
    price: Annotated[float | None, "of all of them"]


class Cost(TypedDict):
    """What the run cost by preflight's price table, from the begin of the load to the end of the timeline."""

    replica_hours: Annotated[float, "hours of replicas, those that start or drain included"]
    node_hours: Annotated[float, "hours of nodes"]
    hours: Annotated[float, "that it took"]
    predictions: Annotated[int, "requests that were answered"]
    pools: Annotated[list[PoolCost], "nodes by pool, and by what they cost"]
    fee: Annotated[float, "GKE's fee; 0 outside of GKE"]
    load_balancer: Annotated[float, "its forwarding rule; 0 without one"]
    price: Annotated[float | None, "of all this; null where a pool has no price"]
    price_per_hour: Annotated[float | None, "in the mean"]
    price_per_1000: Annotated[float | None, "for a thousand predictions"]
    unpriced: Annotated[list[str], "pools, or machine types, that the table has no price for"]
    currency: Annotated[str, "currency"]
    region: Annotated[str, "region of the price table"]
    date: Annotated[str, "day of the price table"]
    source: Annotated[str, "where its prices are from"]
    not_in_it: Annotated[str, "what is not counted"]


@dataclasses.dataclass
class Share:
    """A pod's part of the load."""

    pod: Annotated[str, "its name"]
    node: Annotated[str | None, "its node"]
    requests: Annotated[int, "requests that it answered, by its own counter"]
    fair: Annotated[float, "requests it would have had if, at each moment, the ready pods had shared evenly"]
    ready_seconds: Annotated[Seconds, "how long it was ready under load"]

    @property
    def skew(self) -> float | None:
        """requests as a multiple of the fair part; null where that is next to nothing"""
        return round(self.requests / self.fair, 2) if self.fair >= 1 else None


class Requests(TypedDict):
    """What the clients met."""

    total: Annotated[int, "requests"]
    failed: Annotated[int, "of these the ones that failed"]
    failed_steady: Annotated[int, "failed ones that began before the load began to go (`ramp_down`)"]
    rate: Annotated[PerSecond, "requests over the whole time with load"]
    rate_max: Annotated[PerSecond, "most in 6 s"]
    p50_ms: Annotated[
        Milliseconds | None,
        "median over all requests, where a failed one is slower than any; null where more failed than it leaves out",
    ]
    p95_ms: Annotated[Milliseconds | None, "95th percentile of the same"]
    p99_ms: Annotated[Milliseconds | None, "99th percentile of the same"]
    p95_steady_ms: Annotated[
        Milliseconds | None, "95th percentile of those that began before the load began to go"
    ]
    p95_answered_ms: Annotated[Milliseconds | None, "95th percentile of the answered requests alone"]
    errors: Annotated[dict[str, int], "failures by kind"]
    examples: Annotated[dict[str, str], "one message of each kind"]
    backlog_max: Annotated[int, "open model: most requests that were due and waited to be sent"]
    refused: Annotated[
        dict[str, int],
        "what the pods' proxies refused since the load began, by way as in the timeline; of any client; empty for nothing",
    ]


class MetricSeen(Metric):
    """A metric of the HPA; `current` is the last value of the run."""

    max: Annotated[float | None, "highest value of the run"]


class Scaling(TypedDict):
    """What the autoscalers did."""

    metrics: Annotated[list[MetricSeen], "what the HPA looked at; empty without an HPA"]
    replicas_min: Annotated[int, "fewest replicas in the Deployment's spec"]
    replicas_max: Annotated[int, "most replicas that were ready"]
    replicas_end: Annotated[int, "replicas at the end, wanted or ready, whichever are more"]
    replicas_wanted_max: Annotated[int, "most replicas in the Deployment's spec"]
    seconds_without_replica: Annotated[Seconds, "time in which no replica was ready"]
    nodes_min: Annotated[int, "fewest nodes that were ready"]
    nodes_max: Annotated[int, "most nodes that were ready"]
    nodes_end: Annotated[int, "nodes that were ready at the end"]
    ready_s_max: Annotated[
        Seconds | None,
        "slowest reaction from the rise of load to a ready pod; null where one never came to it",
    ]
    node_wait_max: Annotated[Seconds | None, "longest wait for a node"]
    reactions: Annotated[list[Reaction], "each decision of the HPA, in order of time"]
    looks: Annotated[Looks, "each look of the HPA, explained"]
    best: Annotated[Best, "the fewest replica-seconds that would have done"]
    pods: Annotated[list[Share], "who got the load, most first; empty when the pods show no metrics"]
    skew_max: Annotated[float | None, "largest `skew` of a pod with enough requests to say so"]


class StoodStill(TypedDict):
    """How long a worker answered nobody."""

    worker: Annotated[str, "Locust's name of it"]
    longest_ms: Annotated[Milliseconds, "the longest time"]
    still_percent: Annotated[
        Percent, f"of the time with load in which an answer would have waited for more than {DELAYS[0]} ms"
    ]
    delayed_percent: Annotated[
        Percent,
        "the same for more than a fifth of the p95 that was measured then; above 2.5 the run proves nothing",
    ]


class Generator(TypedDict):
    """Whether the load was what it should be."""

    workers_expected: Annotated[int, "Locust's workers as planned"]
    workers_seen: Annotated[int, "most workers that took part"]
    users_expected: Annotated[int, "users as planned; 0 in the open model"]
    users_reached: Annotated[int, "most users at a time"]
    cpu_max: Annotated[Percent, "of a core, the busiest worker"]
    standstills: Annotated[
        list[StoodStill], "of each worker, the worst first; empty where they were not measured"
    ]
    clock_s_max: Annotated[Seconds, "furthest that a worker's clock was from the master's"]
    gaps: Annotated[list[Gap], "times in which something could not be seen"]
    valid: Annotated[bool, "whether the run proves anything"]
    problems: Annotated[list[str], "why it does not, each with the way out"]
    not_judged: Annotated[list[str], "what this run can't say of its load"]


class ComparedNumber(TypedDict):
    """A number of both runs."""

    name: Annotated[str, "what it is, with its unit"]
    before: Annotated[float | None, "in the earlier run"]
    now: Annotated[float | None, "in this run"]
    change_percent: Annotated[Percent | None, "by how much it changed"]
    judgement: Annotated[
        Literal["same", "better", "worse", "different", "only in one run"], "what that means; within 10 % it is the same"
    ]  # fmt: skip


class Comparison(TypedDict):
    """This run and an earlier one."""

    run: Annotated[str, "the earlier run"]
    verdict: Annotated[str | None, "its verdict"]
    numbers: Annotated[list[ComparedNumber], "what is compared"]
    worse: Annotated[list[str], "names of what got worse"]
    settings_differ: Annotated[list[str], "keys of `environment` that differ"]


class Report(TypedDict):
    """report.json."""

    verdict: Annotated[Literal["pass", "fail", "invalid"], "what the run proves"]
    exit_code: Annotated[Literal[0, 2, 3], "the same as a number, for pipelines"]
    summary: Annotated[str, "the verdict in a sentence"]
    checks: Annotated[list[Check], "the limits"]
    requests: Annotated[Requests, "what the clients met"]
    scaling: Annotated[Scaling, "what the autoscalers did"]
    generator: Annotated[Generator, "whether the load was what it should be"]
    cost: Annotated[Cost | None, "what it cost; null for a run without load"]
    plan: Annotated[PlannedLoad | None, "the load that was planned"]
    environment: Annotated[
        dict[str, Any],
        "what was written down about the run; always `namespace` and `deployment`, and `cluster` where the timeline has it",
    ]
    started: Annotated[Moment, "first line of the timeline"]
    began: Annotated[Moment | None, "when the load began: seconds in pictures and tables count from here"]
    ended: Annotated[Moment, "last line of the timeline"]
    findings: Annotated[list[Finding], "why it went as it did, and what would help; most important first"]
    comparison: NotRequired[Annotated[Comparison, "with an earlier run, where one was named"]]
