"""Which permission of Google's each request of the collection needs, and which of the roles in docs/roles have it.

GKE: https://cloud.google.com/kubernetes-engine/docs/reference/api-permissions
Cloud Storage: https://cloud.google.com/storage/docs/access-control/iam-json
"""

from __future__ import annotations

DEPLOYER, OPERATOR = "deployer", "operator"
BOTH = (DEPLOYER, OPERATOR)
ACT_AS = "iam.serviceAccounts.actAs"
"""Given on the nodes' service account alone (roles/iam.serviceAccountUser), not on the project."""

METHODS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "container.projects.locations.clusters.create": (("container.clusters.create", ACT_AS), (DEPLOYER,)),
    "container.projects.locations.clusters.delete": (("container.clusters.delete",), (DEPLOYER,)),
    "container.projects.locations.clusters.get": (("container.clusters.get",), BOTH),
    **{
        f"container.projects.locations.clusters.{method}": (("container.clusters.update",), (DEPLOYER,))
        for method in (
            "update", "setMaintenancePolicy", "setResourceLabels", "nodePools.create", "nodePools.delete",
            "nodePools.setAutoscaling", "nodePools.setManagement", "nodePools.setSize", "nodePools.update",
        )
    },
    "container.projects.locations.operations.get": (("container.operations.get",), (DEPLOYER,)),
    "container.projects.locations.operations.list": (("container.operations.list",), (DEPLOYER,)),
    "storage.buckets.delete": (("storage.buckets.delete",), (DEPLOYER,)),
    "storage.buckets.get": (("storage.buckets.get",), (DEPLOYER,)),
    "storage.buckets.getIamPolicy": (("storage.buckets.getIamPolicy",), (DEPLOYER,)),
    "storage.buckets.insert": (("storage.buckets.create",), (DEPLOYER,)),
    "storage.buckets.list": (("storage.buckets.list",), (DEPLOYER,)),
    "storage.buckets.patch": (("storage.buckets.update",), (DEPLOYER,)),
    "storage.buckets.setIamPolicy": (("storage.buckets.setIamPolicy",), (DEPLOYER,)),
    "storage.objects.delete": (("storage.objects.delete",), (DEPLOYER,)),
    "storage.objects.get": (("storage.objects.get",), BOTH),
    # storage.objects.delete only where an object is replaced, which never happens here.
    "storage.objects.insert": (("storage.objects.create",), (DEPLOYER,)),
    "storage.objects.list": (("storage.objects.list",), BOTH),
    "storage.objects.rewrite": (("storage.objects.get", "storage.objects.create"), (DEPLOYER,)),
}  # fmt: skip

# What modules read of Google's other APIs, and the line of code that does.
# Preflight's, each where a setting gives a reason, and teardown's, which looks for what is left; what a deployer does not have
# is not checked.
READS: tuple[tuple[str, str, str], ...] = (
    ("compute.acceleratorTypes.list", "preflight/gather.py", '_offered("acceleratorTypes"'),
    *(
        (f"compute.{noun}.list", "leftovers/judge.py", f'"{noun}": "')
        for noun in (
            "addresses",
            "backendServices",
            "disks",
            "firewalls",
            "forwardingRules",
            "instances",
            "networkEndpointGroups",
            "targetPools",
        )
    ),
    ("container.clusters.list", "leftovers/gather.py", "/locations/-/clusters"),
    ("iam.serviceAccounts.list", "leftovers/gather.py", "/serviceAccounts"),
    ("compute.machineTypes.list", "preflight/gather.py", '_offered("machineTypes"'),
    ("compute.regions.get", "preflight/gather.py", "/regions/{settings.cluster.region}"),
    ("container.clusters.get", "preflight/gather.py", "/serverConfig"),
    ("iam.serviceAccounts.getIamPolicy", "preflight/gather.py", "/serviceAccounts/{quote(account"),
    (
        "resourcemanager.projects.getIamPolicy",
        "preflight/gather.py",
        "/v1/projects/{settings.project}:getIamPolicy",
    ),
)

APIS = {"cloudresourcemanager", "compute", "container", "iam", "iamcredentials", "storage"}
"""The hosts that plugins name, before .googleapis.com; one more means rows in ``READS``. Of iamcredentials there is
none: who impersonates an account has roles/iam.serviceAccountTokenCreator on this account alone."""

# Of Kubernetes' verbs, list stands for watch, too, and update for patch. What the playbooks ask for by k8s_objects_info
# and kubernetes.core is read from them (test_permissions.py); this is what the modules ask for, and the line of code that does.
IN_CLUSTER: tuple[tuple[str, str, str], ...] = (
    ("configMaps.create", "loadtest/prepare.py", "content_type=APPLY"),
    ("configMaps.update", "loadtest/prepare.py", "content_type=APPLY"),
    ("configMaps.list", "loadtest/prepare.py", '"configmaps": "/api/v1"'),
    ("configMaps.delete", "loadtest/prepare.py", "delete(api"),
    ("deployments.get", "k8s/workloads.py", '"Deployment": Kind("/apis/apps/v1", "deployments"'),
    ("deployments.list", "loadtest/watch.py", "/deployments"),
    ("deployments.update", "k8s/rollback.py", "api.patch("),
    ("events.list", "k8s/rollout.py", "/events"),
    ("horizontalPodAutoscalers.get", "k8s/surge.py", "api.get("),
    ("horizontalPodAutoscalers.list", "loadtest/watch.py", "/horizontalpodautoscalers"),
    ("horizontalPodAutoscalers.update", "k8s/surge.py", "api.patch("),
    ("thirdPartyObjects.get", "status/gateway.py", "/gateways/"),
    ("jobs.list", "loadtest/prepare.py", '"jobs": "/apis/batch/v1"'),
    ("jobs.delete", "loadtest/prepare.py", "delete(api"),
    *(
        (f"leases.{verb}", "k8s/lease.py", line)
        for verb, line in (
            ("get", "api.get_or_none("),
            ("create", "api.post("),
            ("update", ".patch("),
            ("delete", ".delete("),
        )
    ),
    ("nodes.list", "k8s/rollout.py", "/api/v1/nodes"),
    ("pods.get", "model_server/check.py", "/pods/{"),
    ("pods.getLogs", "k8s/rollout.py", "/log"),
    ("pods.list", "k8s/rollout.py", "/pods"),
    ("pods.portForward", "k8s/client.py", "portforward"),
    ("pods.proxy", "model_server/rest.py", "/proxy"),
    ("replicaSets.list", "k8s/workloads.py", '"deployments", "replicasets"'),
    ("services.delete", "loadtest/prepare.py", "delete(api"),
    ("services.list", "loadtest/prepare.py", '"services": "/api/v1"'),
    ("services.proxy", "loadtest/locust.py", "/services/http:"),
)

# What kubernetes.core is given in a variable, so that no reader of the playbooks sees its kind.
BY_VARIABLE = ("configMaps.get", "configMaps.delete", "deployments.get", "deployments.delete")

# Kinds that are no part of Kubernetes itself share one permission for each verb.
CUSTOM_GROUPS = (
    "autoscaling.gke.io", "autoscaling.x-k8s.io", "gateway.networking.k8s.io", "keda.sh", "metrics.k8s.io",
    "monitoring.coreos.com", "monitoring.googleapis.com", "networking.gke.io",
)  # fmt: skip

# What binds roles of Kubernetes, registers APIs, ranks pods and leads a Service elsewhere is not for these roles:
# docs/autoscaling.md and docs/security.md say who may make it.
ADMINS_ONLY = (
    "aPIServices", "clusterRoleBindings", "customResourceDefinitions", "endpointSlices", "priorityClasses", "roleBindings", "roles",
    "validatingAdmissionPolicies", "validatingAdmissionPolicyBindings",
)  # fmt: skip

# The DNS endpoint of a control plane asks for a permission of its own.
CONNECT = "container.clusters.connect"

# Only whoever makes the site creates the namespace.
DEPLOYERS_ONLY = ("namespaces.create",)

# google.cloud's modules in the cluster role's bootstrap.
BOOTSTRAP: dict[str, tuple[str, ...]] = {
    "google.cloud.gcp_serviceusage_service": (
        "serviceusage.services.enable", "serviceusage.services.get", "serviceusage.operations.get",
    ),
    "google.cloud.gcp_iam_service_account": ("iam.serviceAccounts.create", "iam.serviceAccounts.delete", "iam.serviceAccounts.get"),
    "google.cloud.gcp_compute_address": (
        "compute.addresses.create", "compute.addresses.delete", "compute.addresses.get", "compute.regionOperations.get",
    ),
}  # fmt: skip
