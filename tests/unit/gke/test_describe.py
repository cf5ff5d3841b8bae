"""A cluster as options: whatever Google shows, wishing for it changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.describe import options_of, unmanaged
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.desired import (
    CLUSTER_ARGUMENTS,
    desired_cluster,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.plan import plan_cluster

Json = dict[str, Any]

RICH: Json = {
    "name": "c", "location": "us-central1", "status": "RUNNING", "currentMasterVersion": "1.34.4-gke.100",
    "locations": ["us-central1-a", "us-central1-b"], "releaseChannel": {"channel": "EXTENDED"},
    "resourceLabels": {"goog-terraform-provisioned": "true", "größe": "klein"}, "labelFingerprint": "x",
    "workloadIdentityConfig": {"workloadPool": "my-project.svc.id.goog"},
    "network": "vpc", "networkConfig": {
        "network": "projects/host/global/networks/vpc", "dnsConfig": {"clusterDns": "CLOUD_DNS", "clusterDnsScope": "CLUSTER_SCOPE"},
        "privateIpv6GoogleAccess": "PRIVATE_IPV6_GOOGLE_ACCESS_DISABLED", "gatewayApiConfig": {"channel": "CHANNEL_STANDARD"},
    },
    "maintenancePolicy": {
        "resourceVersion": "abc",
        "window": {
            "dailyMaintenanceWindow": {"startTime": "03:00", "duration": "PT4H0M0S"},
            "maintenanceExclusions": {"freeze": {"startTime": "2027-01-01T00:00:00Z", "endTime": "2027-01-09T00:00:00Z", "maintenanceExclusionOptions": {}}},
        },
    },
    "addonsConfig": {
        "httpLoadBalancing": {}, "horizontalPodAutoscaling": {"disabled": True}, "gcsFuseCsiDriverConfig": {"enabled": True},
        "configConnectorConfig": {"enabled": True},
    },
    "monitoringConfig": {"componentConfig": {"enableComponents": ["SYSTEM_COMPONENTS", "BRAND_NEW"]}, "managedPrometheusConfig": {"enabled": True}},
    "securityPostureConfig": {"mode": "BRAND_NEW"},
    "controlPlaneEndpointsConfig": {
        "dnsEndpointConfig": {"endpoint": "gke-1.goog", "allowExternalTraffic": False}, "ipEndpointsConfig": {"enabled": False},
    },
    "nodePools": [
        {
            "name": "gpu", "status": "RUNNING", "version": "1.33.9-gke.1", "initialNodeCount": 1, "locations": ["us-central1-a"],
            "config": {
                "machineType": "g2-standard-8", "spot": True, "diskSizeGb": 100, "labels": {"node.kubernetes.io/tier": "gpu"},
                "accelerators": [{"acceleratorType": "nvidia-l4", "acceleratorCount": "1", "gpuDriverInstallationConfig": {"gpuDriverVersion": "DEFAULT"}}],
                "taints": [{"key": "nvidia.com/gpu", "value": "present", "effect": "NO_SCHEDULE"}],
                "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
                "reservationAffinity": {"consumeReservationType": "UNSPECIFIED"}, "sandboxConfig": {"type": "GVISOR"},
            },
            "autoscaling": {"enabled": True, "maxNodeCount": 4, "locationPolicy": "ANY"},
            "upgradeSettings": {
                "strategy": "BLUE_GREEN", "maxSurge": 1,
                "blueGreenSettings": {"nodePoolSoakDuration": "3600s", "standardRolloutPolicy": {"batchPercentage": 0.2, "batchSoakDuration": "60s"}},
            },
        },
        {"name": "fixed", "status": "RUNNING", "version": "1.34.4-gke.100", "config": {"machineType": "e2-medium"}},
    ],
}  # fmt: skip
AUTOPILOT: Json = {
    "name": "c", "location": "us-central1", "autopilot": {"enabled": True}, "releaseChannel": {"channel": "REGULAR"},
    "currentMasterVersion": "1.34.4-gke.100", "workloadIdentityConfig": {"workloadPool": "my-project.svc.id.goog"},
    "autoscaling": {"enableNodeAutoprovisioning": True, "resourceLimits": [{"resourceType": "cpu", "maximum": "1000000000"}]},
    "defaultMaxPodsConstraint": {"maxPodsPerNode": "32"}, "verticalPodAutoscaling": {"enabled": True},
    "nodePools": [{"name": "default-pool", "config": {}, "autoscaling": {"enabled": True, "autoprovisioned": True}}],
}  # fmt: skip


@pytest.mark.parametrize("cluster", [RICH, AUTOPILOT], ids=["standard", "autopilot"])
def test_to_wish_for_what_is_there_changes_nothing(cluster: Json) -> None:
    result = ArgumentSpecValidator(CLUSTER_ARGUMENTS).validate(options_of(cluster))
    assert result.error_messages == []
    desired = desired_cluster(
        {**result.validated_parameters, "project": "my-project", "location": "us-central1"}
    )
    plan = plan_cluster(desired, cluster, "/v1/c", exclusive_pools=True)
    assert ([str(change) for change in plan.changes], plan.warnings) == ([], [])


def test_what_options_can_not_say_is_named() -> None:
    assert unmanaged(RICH) == [
        "addonsConfig.configConnectorConfig.enabled",
        "monitoringConfig",
        "networkConfig.privateIpv6GoogleAccess",
        "nodePools.config.reservationAffinity",
        "nodePools.config.sandboxConfig.type",
        "securityPostureConfig.mode",
    ]
