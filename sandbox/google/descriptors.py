"""What Google's description of the GKE API leaves out of its protocol buffers: presence, and numbers of enums.

Both are told by the descriptors of Google's client (google-cloud-container), with which
``tests/sandbox/google/test_google_clients.py`` compares these lists.
"""

from __future__ import annotations

# Fields that are shown even when they are false, zero or empty: proto3's ``optional``. Every other scalar is left
# out of an answer when it has its type's default, since that is how protocol buffers are written as JSON.
#
# Only in v1beta1, which that client does not have; seen in recorded answers.
_BETA = frozenset({"ProtectConfig.workloadVulnerabilityMode"})

# Metric's are one of several kinds of value: the one that is set is shown.
_ONE_OF = frozenset({"Metric.intValue", "Metric.doubleValue", "Metric.stringValue"})

OPTIONAL = frozenset({
    "AccurateTimeConfig.enablePtpKvmTimeSync",
    "AdvancedDatapathObservabilityConfig.enableRelay",
    "AdvancedMachineFeatures.enableNestedVirtualization",
    "AdvancedMachineFeatures.performanceMonitoringUnit",
    "AdvancedMachineFeatures.threadsPerCore",
    "AutoIpamConfig.enabled",
    "AutoprovisioningNodePoolDefaults.insecureKubeletReadonlyPortEnabled",
    "CertificateConfig.gcpSecretManagerSecretUri",
    "Cluster.satisfiesPzi",
    "Cluster.satisfiesPzs",
    "ClusterNetworkPerformanceConfig.totalEgressBandwidthTier",
    "ClusterPolicyConfig.noStandardNodePools",
    "ClusterPolicyConfig.noSystemImpersonation",
    "ClusterPolicyConfig.noSystemMutation",
    "ClusterPolicyConfig.noUnsafeWebhooks",
    "ClusterUpdate.desiredDefaultEnablePrivateNodes",
    "ClusterUpdate.desiredDisableL4LbFirewallReconciliation",
    "ClusterUpdate.desiredEmulatedVersion",
    "ClusterUpdate.desiredEnableCiliumClusterwideNetworkPolicy",
    "ClusterUpdate.desiredEnableFqdnNetworkPolicy",
    "ClusterUpdate.desiredEnableMultiNetworking",
    "ClusterUpdate.desiredEnablePrivateEndpoint",
    "ClusterUpdate.desiredInTransitEncryptionConfig",
    "ClusterUpgradeInfo.endOfExtendedSupportTimestamp",
    "ClusterUpgradeInfo.endOfStandardSupportTimestamp",
    "ClusterUpgradeInfo.minorTargetVersion",
    "ClusterUpgradeInfo.patchTargetVersion",
    "CompliancePostureConfig.mode",
    "ComplianceStandard.standard",
    "DNSEndpointConfig.allowExternalTraffic",
    "DNSEndpointConfig.enableK8sCertsViaDns",
    "DNSEndpointConfig.enableK8sTokensViaDns",
    "DatabaseEncryption.currentState",
    "DataplaneV2Config.scalabilityMode",
    "EncryptionConfig.disabled",
    "GPUDirectConfig.gpuDirectStrategy",
    "GPUDriverInstallationConfig.gpuDriverVersion",
    "GPUSharingConfig.gpuSharingStrategy",
    "HugepagesConfig.hugepageSize1g",
    "HugepagesConfig.hugepageSize2m",
    "IPEndpointsConfig.enablePublicEndpoint",
    "IPEndpointsConfig.enabled",
    "IPEndpointsConfig.globalAccess",
    "ManagedMachineLearningDiagnosticsConfig.enabled",
    "ManagedOpenTelemetryConfig.scope",
    "MasterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled",
    "MasterAuthorizedNetworksConfig.privateEndpointEnforcementEnabled",
    "NetworkConfig.defaultEnablePrivateNodes",
    "NetworkConfig.disableL4LbFirewallReconciliation",
    "NetworkConfig.enableCiliumClusterwideNetworkPolicy",
    "NetworkConfig.enableFqdnNetworkPolicy",
    "NetworkConfig.inTransitEncryptionConfig",
    "NetworkPerformanceConfig.totalEgressBandwidthTier",
    "NodeConfig.flexStart",
    "NodeConfig.localSsdEncryptionMode",
    "NodeDrainConfig.respectPdbDuringNodePoolDeletion",
    "NodeKubeletConfig.insecureKubeletReadonlyPortEnabled",
    "NodeKubeletConfig.shutdownGracePeriodCriticalPodsSeconds",
    "NodeKubeletConfig.shutdownGracePeriodSeconds",
    "NodeKubeletConfig.singleProcessOomKill",
    "NodeNetworkConfig.enablePrivateNodes",
    "NodePoolUpgradeInfo.endOfExtendedSupportTimestamp",
    "NodePoolUpgradeInfo.endOfStandardSupportTimestamp",
    "NodePoolUpgradeInfo.minorTargetVersion",
    "NodePoolUpgradeInfo.patchTargetVersion",
    "NodeVfioConfig.dmaEntryLimit",
    "PodAutoscaling.hpaProfile",
    "RBACBindingConfig.enableInsecureBindingSystemAuthenticated",
    "RBACBindingConfig.enableInsecureBindingSystemUnauthenticated",
    "RotationConfig.enabled",
    "SecretManagerConfig.enabled",
    "SecretSyncConfig.enabled",
    "SecurityPostureConfig.mode",
    "SecurityPostureConfig.vulnerabilityMode",
    "SoleTenantConfig.minNodeCpus",
    "SwapConfig.enabled",
    "SyncRotationConfig.enabled",
    "TaintConfig.architectureTaintBehavior",
    "UpdateNodePoolRequest.flexStart",
    "UpgradeSettings.strategy",
    "WorkloadPolicyConfig.allowNetAdmin",
    "WorkloadPolicyConfig.autopilotCompatibilityAuditingEnabled",
})  # fmt: skip

PRESENCE = OPTIONAL | _BETA | _ONE_OF

# Numbers of an enum's values where they are not counted from 0, in the order of Google's description; -1: the
# client does not know the value yet. Clients may send numbers instead of names (``$alt=json;enum-encoding=int``).
NUMBERS: dict[str, tuple[int, ...]] = {
    "AdvancedDatapathObservabilityConfig.relayMode": (0, 1, 3, 4),
    "ClusterUpdate.desiredDatapathProvider": (0, 1, 2, -1, -1),
    "ClusterUpgradeInfo.autoUpgradeStatus": (0, 1, 4, 5),
    "ClusterUpgradeInfo.pausedReason": (0, 1, 5, 6, 4, 7, 8),
    "DatabaseEncryption.currentState": (0, 7, 2, 3, 4, 5, 6, 8, 9, 10),
    "DataplaneV2Config.scalabilityMode": (0, 3, 4),
    "GPUDirectConfig.gpuDirectStrategy": (0, 2),
    "GPUDriverInstallationConfig.gpuDriverVersion": (0, 1, 2, 3, -1),
    "GatewayAPIConfig.channel": (0, 1, 3, 4),
    "LoggingComponentConfig.enableComponents": (0, 1, 2, 3, 4, 5, 7, 8, 9, 10),
    "MonitoringComponentConfig.enableComponents": (0, 1, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
    "NetworkConfig.datapathProvider": (0, 1, 2, -1, -1),
    "Operation.operationType": (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19),
    "SandboxConfig.type": (0, 1, -1),
    "StatusCondition.canonicalCode": (0, 1, 2, 3, 4, 5, 6, 7, 16, 8, 9, 10, 11, 12, 13, 14, 15),
    "StatusCondition.code": (0, 1, 2, 3, 4, 7, 9, 10, 11),
    "UpgradeInfoEvent.state": (0, 1, 3, 4, 5, 6),
    "UpgradeSettings.strategy": (0, 2, 3, 5),
}  # fmt: skip
