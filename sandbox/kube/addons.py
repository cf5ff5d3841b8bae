"""What every cluster has from the start: DNS, the metrics API behind a service of the host, and kinds that GKE brings."""

from __future__ import annotations

from ..paths import GATEWAY, GKE_METRICS_PORT, METRICS_PORT, ClusterAddresses
from .crds import AUTOSCALING_METRIC, CAPACITY_BUFFER
from .rest import Json, KubeRest

_SYSTEM = "/api/v1/namespaces/kube-system"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_LABELS = {"k8s-app": "kube-dns"}


def apply_addons(rest: KubeRest, addresses: ClusterAddresses) -> None:
    """Applies DNS, the metrics API and the kind that keeps room in stock; repeatable."""
    for path, manifest in [*_dns(addresses), *_metrics(addresses), _kind(CAPACITY_BUFFER)]:
        rest.apply(path, manifest)


def apply_gke_metrics(rest: KubeRest, addresses: ClusterAddresses) -> None:
    """Applies the kind and the API of GKE's metrics adapter; repeatable."""
    for path, manifest in [_kind(AUTOSCALING_METRIC), *_gke_metrics(addresses)]:
        rest.apply(path, manifest)


def _kind(definition: Json) -> tuple[str, Json]:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    return f"{path}/{definition['metadata']['name']}", definition


def _object(api_version: str, kind: str, name: str, namespace: str | None = None, **fields: object) -> Json:
    metadata: Json = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def _role(name: str, rules: list[Json], subject: Json) -> list[tuple[str, Json]]:
    binding = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    group = "rbac.authorization.k8s.io/v1"
    return [
        (f"{_RBAC}/clusterroles/{name}", _object(group, "ClusterRole", name, rules=rules)),
        (
            f"{_RBAC}/clusterrolebindings/{name}",
            _object(group, "ClusterRoleBinding", name, roleRef=binding, subjects=[subject]),
        ),
    ]


def _dns(addresses: ClusterAddresses) -> list[tuple[str, Json]]:
    # There is no world outside: other names are answered at once with NXDOMAIN. A block each, since CoreDNS
    # asks its plugins in a fixed order.
    corefile = (
        "cluster.local:53 in-addr.arpa:53 {\n  errors\n  cache 30\n"
        "  kubernetes cluster.local in-addr.arpa {\n    pods insecure\n    ttl 30\n  }\n}\n"
        "google.internal:53 {\n  hosts {\n    169.254.169.254 metadata.google.internal\n  }\n}\n"
        # TF Serving's address of Cloud Storage is a constant.
        f"storage.googleapis.com:53 {{\n  hosts {{\n    {GATEWAY} storage.googleapis.com\n  }}\n}}\n"
        ".:53 {\n  errors\n  health\n  ready\n  template ANY ANY {\n    rcode NXDOMAIN\n  }\n}\n"
    )
    account = {"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}
    rules: list[Json] = [
        {
            "apiGroups": [""],
            "resources": ["endpoints", "services", "pods", "namespaces"],
            "verbs": ["list", "watch"],
        },
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
    ]
    container = {
        "name": "coredns",
        "image": "sandbox.local/coredns:1",
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        # The sum of GKE's kube-system pods' requests on its smallest nodes, roughly.
        "resources": {"requests": {"cpu": "100m", "memory": "70Mi"}, "limits": {"memory": "170Mi"}},
        "ports": [
            {"containerPort": 53, "name": "dns", "protocol": "UDP"},
            {"containerPort": 53, "name": "dns-tcp", "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8080}, "initialDelaySeconds": 60},
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
    }
    deployment = {
        "replicas": 1,
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    service = {
        "clusterIP": str(addresses.dns),
        "selector": _LABELS,
        "ports": [
            {"name": "dns", "port": 53, "protocol": "UDP"},
            {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
        ],
    }
    return [
        (f"{_SYSTEM}/serviceaccounts/coredns", _object("v1", "ServiceAccount", "coredns", "kube-system")),
        *_role("system:coredns", rules, account),
        (
            f"{_SYSTEM}/configmaps/coredns",
            _object("v1", "ConfigMap", "coredns", "kube-system", data={"Corefile": corefile}),
        ),
        (f"{_SYSTEM}/services/kube-dns", _object("v1", "Service", "kube-dns", "kube-system", spec=service)),
        (
            "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
            _object("apps/v1", "Deployment", "coredns", "kube-system", spec=deployment),
        ),
    ]


def _metrics(addresses: ClusterAddresses) -> list[tuple[str, Json]]:
    rules: list[Json] = [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes", "configmaps"], "verbs": ["get", "list", "watch"]},
    ]
    return _on_the_host("metrics-server", METRICS_PORT, rules, addresses, "v1beta1.metrics.k8s.io")


def _gke_metrics(addresses: ClusterAddresses) -> list[tuple[str, Json]]:
    rules: list[Json] = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["autoscaling.gke.io"], "resources": ["autoscalingmetrics"], "verbs": ["list"]},
    ]
    versions = ("v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io")
    return _on_the_host("gke-metrics-adapter", GKE_METRICS_PORT, rules, addresses, *versions)


def _on_the_host(
    name: str, port: int, rules: list[Json], addresses: ClusterAddresses, *apis: str
) -> list[tuple[str, Json]]:
    """APIs (version.group) that a program on the host answers, and what that may: look at ``rules``, and ask who asks it."""
    user = {"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}
    reviews: list[Json] = [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
    ]
    slice_ = _object("discovery.k8s.io/v1", "EndpointSlice", f"{name}-host", "kube-system")
    slice_["metadata"]["labels"] = {"kubernetes.io/service-name": name}
    slice_ |= {
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        "endpoints": [{"addresses": [str(addresses.api_server)], "conditions": {"ready": True}}],
    }
    service = {"ports": [{"name": "https", "port": 443, "targetPort": port, "protocol": "TCP"}]}
    found = [
        *_role(f"system:{name}", [*rules, *reviews], user),
        (
            f"{_RBAC}/namespaces/kube-system/rolebindings/{name}-auth-reader",
            _object(
                "rbac.authorization.k8s.io/v1", "RoleBinding", f"{name}-auth-reader", "kube-system",
                roleRef={
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "Role",
                    "name": "extension-apiserver-authentication-reader",
                },
                subjects=[user],
            ),
        ),
        (f"{_SYSTEM}/services/{name}", _object("v1", "Service", name, "kube-system", spec=service)),
        (f"/apis/discovery.k8s.io/v1/namespaces/kube-system/endpointslices/{name}-host", slice_),
    ]  # fmt: skip
    for api in apis:
        version, _, group = api.partition(".")
        spec = {
            "service": {"name": name, "namespace": "kube-system"},
            "group": group,
            "version": version,
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
        path = f"/apis/apiregistration.k8s.io/v1/apiservices/{api}"
        found.append((path, _object("apiregistration.k8s.io/v1", "APIService", api, spec=spec)))
    return found
