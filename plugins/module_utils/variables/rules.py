"""The rules about variables alone, by their names. ``docs/preflight.md`` has the table.

Preflight judges by all of them, a role by its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from .findings import Severity


@dataclass(frozen=True)
class VariableRule:
    """``about``: what is wrong then, in a line of documentation.

    ``is_final``: it can't be ignored, since Ansible or a module refuses the same.
    """

    id: str
    severity: Severity
    about: str
    is_final: bool = False


RULES = {
    rule.id: rule
    for rule in (
        VariableRule("unknown-variable", "error", "A variable that begins as those of a role or playbook do, and is none."),
        VariableRule("renamed-variable", "warning", "A variable by its former name, which counts for one release more."),
        VariableRule("types", "error", "A value is not of its variable's type, or none of its choices, or a text that not everybody reads alike.", is_final=True),
        VariableRule("variables", "error", "A value can't be what it stands for: a number in a range, a quantity, a name, an address."),
        VariableRule("one-cluster", "error", "The environment would lead some tasks to another cluster than the others (K8S_AUTH_…).", is_final=True),
        VariableRule("cluster-options", "error", "The cluster's or a node pool's options, which GKE would refuse.", is_final=True),
        VariableRule("bucket-options", "error", "The bucket's options or members, which Cloud Storage would refuse.", is_final=True),
        VariableRule("model-uri", "error", "The model's address is none, or there is none."),
        VariableRule("model-source", "error", "The model is in an image or a volume, and other variables do not fit that."),
        VariableRule("serving-models", "error", "One of several models, its versions or labels contradict each other."),
        VariableRule("golden", "error", "A golden prediction can't be asked."),
        VariableRule("source-ranges", "error", "An external address without ranges that may reach it."),
        VariableRule("open-endpoint", "error", "An external address that everybody may reach, or a Gateway that is not said to be internal."),
        VariableRule("service-type", "error", "A variable that the Service's type does not have."),
        VariableRule("gateway", "error", "The Gateway's name or hosts are none, or REST and gRPC share a host."),
        VariableRule("threads", "error", "TF Serving has more threads than processors."),
        VariableRule("model-memory", "error", "The model server's memory is less than twice the model, which it needs while a version is loaded."),
        VariableRule("model-storage", "error", "The disk that a pod may use does not hold the model."),
        VariableRule("system-namespace", "error", "A namespace of Kubernetes' or Google's own, or the one for whatever names none."),
        VariableRule("gpu", "error", "A variable of GPUs without any, or an image that can't use them."),
        VariableRule("image-version", "error", "An image without a version, or by a tag that moves, so that pods could differ."),
        VariableRule("proxy-memory", "error", "The proxy's memory does not hold its connections and the largest requests."),
        VariableRule("root-user", "error", "Containers would run as root."),
        VariableRule("extra-args", "error", "Arguments of TF Serving that are none, or the role's to set."),
        VariableRule("unknown-flag", "error", "Arguments that TF Serving does not know, and would go on without."),
        VariableRule("batching", "error", "Batching parameters that TF Serving would refuse."),
        VariableRule("request-limits", "error", "A golden prediction is larger or deeper than the proxy lets through."),
        VariableRule("client-address", "warning", "Limits for each client's address where the proxy sees one address for many."),
        VariableRule("queue", "error", "The proxy's queue is longer than its connections, or than a request may take."),
        VariableRule("balancing-proxy", "error", "Requests are balanced between replicas without the proxies that do it."),
        VariableRule("idlest-proxy", "error", "The idlest replicas are to go first without the proxies, which tell how much each has to do."),
        VariableRule("drain-below-request", "warning", "A pod that goes drains for less time than a request may take."),
        VariableRule("grace-limit", "error", "Pods take longer to go than the node autoscaler waits."),
        VariableRule("surge", "error", "A rollout may have no pod more than there are, so that it can't begin."),
        VariableRule("budget-blocks-draining", "error", "The PodDisruptionBudget lets no pod go, so that nodes can't be drained."),
        VariableRule("wait-timeout", "error", "The rollout is given up before the model may have loaded."),
        VariableRule("gate", "error", "The gate measures what can't be, or no request at all."),
        VariableRule("warmup", "error", "The requests for warming up do not fit a ConfigMap."),
        VariableRule("replicas-range", "error", "The HPA's least and most replicas are no range."),
        VariableRule("target-out-of-reach", "error", "The HPA's aim is so high that no load can make it scale out."),
        VariableRule("metrics-without-cpu", "error", "The HPA has other metrics and not the CPU, so that nothing is left to scale by where their source fails."),
        VariableRule("metrics-source", "error", "Nothing brings a metric to the HPA, or what is to bring it can't."),
        VariableRule("down-to-zero", "error", "There may be no replica, and a metric has no value then, or nobody would hold the requests."),
        VariableRule("hold-cpu", "error", "The pods that hold requests while there is no replica have too little CPU for as many as may wait."),
        VariableRule("hpa-request", "error", "The HPA measures a container that is not there."),
        VariableRule("stabilization-window", "warning", "The HPA forgets former recommendations before a change of load shows in the metrics."),
        VariableRule("monitoring-proxy", "error", "Monitoring without the proxies, which tell most of its metrics."),
    )
}  # fmt: skip

NEVER_IGNORED = frozenset(rule.id for rule in RULES.values() if rule.is_final)
