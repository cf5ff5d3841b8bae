"""Labels and annotations of this collection's own, `mlops.tfserving/…`, and what they say."""

from __future__ import annotations

MARKS = {
    "model": "pod: the names of the models that it serves",
    "model-version": "pod: the version that it serves; of several models NAME/VERSION of each",
    "model-uri": "pod: where each version came from; what they name is not pruned",
    "pod-hash": "pod: a hash of its template, by which the next run knows whether pods change",
    "track": "canary: on a canary's pods, by which checks of those that run leave them out",
    "version": "canary: the version of its pods, for whoever looks at them",
    "canary-weight": "canary's Deployment: its share of the requests, in percent",
    "gate": "gate: the pod-hash of the template that it tries",
    "part": "configuration: a ConfigMap of the serving role, which is swept when nothing refers to it",
    "routes": "Deployment: what leads to it from a Gateway, as API/KIND, for the run that no longer wants it",
    "served-version": "Deployment: the last version that answered in every pod; Kubernetes copies it to the ReplicaSet of these pods, by which rollback.yml knows what served",
    "holds": "Deployment: that pods hold requests while it has no replica, for the run that no longer wants them",
    "idlest-first": "Deployment: that a pod beside it says which replicas are the idlest, for the run that no longer wants it",
    "beside": "HPA, or ScaledObject of KEDA, or the dashboard's ConfigMap: what its role made beside it, for the run that no longer wants it",
    "held-tolerance": "HPA: held while a rollout has pods more than are wanted; the tolerance downwards that it had, nothing for none of its own, @, and who holds it",
    "config-hash": "pod of Prometheus, its adapter and those that hold requests: a hash of their configuration, so that another one starts them anew",
    "made-by": "namespace: this collection created it, and for which site, so that the site sets its labels and teardown may remove it",
    "run": "every object of a load test: the run that it belongs to",
}
"""Labels and annotations by what follows `mlops.tfserving/`, each with what wears it and what it means."""
