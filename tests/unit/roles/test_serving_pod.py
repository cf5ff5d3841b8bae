"""The pod's variants: GPUs, placement, and what keeps it safe in all of them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.runtime import TF_SERVING
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.serving_pod import FLAGS
from serving_role import ROOT, container, evaluate, pod_of, render

VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "without proxy": {"serving_proxy_enabled": False},
    "without fetch": {"serving_fetch": False},
    "several models": {"serving_models": [{"name": "m", "uri": "gs://b/m", "versions": [1, 2]}]},
    "GPU": {"serving_gpus": 1, "serving_gpu_type": "nvidia-l4"},
    "batching": {"serving_batching": {"max_batch_size": 4}},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pod_is_one_that_the_restricted_standard_admits(variant: str) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    pod = pod_of(**VARIANTS[variant])["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for item in [*pod["initContainers"], *pod["containers"]]:
        security = item["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["readOnlyRootFilesystem"] is True
        assert security["capabilities"] == {"drop": ["ALL"]}
    assert all(set(volume) & {"configMap", "emptyDir"} for volume in pod["volumes"])


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_container_has_what_it_asks_for_and_no_more(variant: str) -> None:
    pod = pod_of(**VARIANTS[variant])["spec"]
    for item in [*pod["initContainers"], *pod["containers"]]:
        assert item["resources"]["requests"] == item["resources"]["limits"]
        assert {"cpu", "memory"} <= set(item["resources"]["limits"])


def test_a_gpu_is_asked_for_and_its_nodes_are_tolerated() -> None:
    pod = pod_of(
        serving_gpus="2", serving_gpu_type="nvidia-l4", serving_gpu_memory_fraction=0.8, serving_node_selector={"a": "b"},
        serving_tolerations=[{"key": "k", "operator": "Exists"}],
    )  # fmt: skip
    server = container(pod, "tfserving")
    assert server["resources"]["limits"]["nvidia.com/gpu"] == 2
    assert server["image"].endswith("-gpu")
    assert "--per_process_gpu_memory_fraction=0.8" in server["args"]
    assert pod["spec"]["nodeSelector"] == {"a": "b", "cloud.google.com/gke-accelerator": "nvidia-l4"}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in pod["spec"][
        "tolerations"
    ]
    assert {"key": "k", "operator": "Exists"} in pod["spec"]["tolerations"]
    assert not any("nvidia.com/gpu" in item["resources"]["limits"] for item in pod["spec"]["initContainers"])


def test_without_a_gpu_nothing_is_said_of_one() -> None:
    pod = pod_of()
    assert "nodeSelector" not in pod["spec"] and "tolerations" not in pod["spec"]
    assert "gpu" not in str(pod).lower()


@pytest.mark.parametrize(
    ("cpu", "threads", "expected"), [("3", 0, 3), ("300m", 0, 1), ("2500m", 0, 2), ("4", "2", 2), ("1", 0, 1)]
)
def test_threads_follow_the_processors(cpu: str, threads: Any, expected: int) -> None:
    arguments = container(pod_of(serving_cpu=cpu, serving_threads=threads), "tfserving")["args"]
    assert f"--tensorflow_intra_op_parallelism={expected}" in arguments
    assert f"--tensorflow_inter_op_parallelism={expected}" in arguments


def test_pods_are_placed_where_they_are_wanted() -> None:
    pod = pod_of(
        serving_spread_over=["kubernetes.io/hostname", "topology.kubernetes.io/zone"], serving_priority_class="high"
    )["spec"]  # fmt: skip
    constraints = pod["topologySpreadConstraints"]
    assert [c["topologyKey"] for c in constraints] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    assert all(c["whenUnsatisfiable"] == "ScheduleAnyway" for c in constraints)
    assert pod["priorityClassName"] == "high"


def test_a_slow_load_has_its_time_and_a_drain_takes_one_pod() -> None:
    server = container(pod_of(serving_start_timeout="900"), "tfserving")
    assert server["startupProbe"]["failureThreshold"] * server["startupProbe"]["periodSeconds"] == 900
    budget = render("access")["PodDisruptionBudget/image-classifier"]["spec"]
    assert budget["maxUnavailable"] == 1


def test_a_pod_that_goes_has_the_time_of_all_its_steps() -> None:
    """Numbers on the command line are texts."""
    times = {
        "serving_handover_seconds": "100",
        "serving_propagation_seconds": "5",
        "serving_drain_seconds": "20",
    }
    assert pod_of(**times)["spec"]["terminationGracePeriodSeconds"] == 128
    plain = pod_of(**times, serving_proxy_enabled="false")
    assert plain["spec"]["terminationGracePeriodSeconds"] == 28
    assert container(plain, "tfserving")["lifecycle"]["preStop"]["sleep"] == {"seconds": 25}


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gate_runs_the_very_pod_outside_the_service(variant: str) -> None:
    """But for what it does for users when it goes: it has none, and a sleep that is longer than its end is refused."""
    (gate,) = render("gate", **VARIANTS[variant]).values()
    assert gate["spec"]["replicas"] == 1
    template, pod = gate["spec"]["template"], pod_of(**VARIANTS[variant])
    assert template["metadata"]["labels"]["app"] == "image-classifier-gate"
    for item in pod["spec"]["containers"]:
        item.pop("lifecycle")
    assert template["spec"] == {**pod["spec"], "terminationGracePeriodSeconds": 1}


def test_the_wait_of_the_deployment_is_a_number() -> None:
    (deployment,) = render("deployment", serving_wait_timeout="900", serving_max_surge="25%").values()
    assert deployment["spec"]["progressDeadlineSeconds"] == 900
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": 0}
    (deployment,) = render("deployment", serving_max_surge="2").values()
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 2
    assert "replicas" not in deployment["spec"], "the HPA's"


def test_extra_arguments_come_last() -> None:
    arguments = evaluate("serving_arguments", serving_extra_args=["--rest_api_num_threads=16"])
    assert arguments[-1] == "--rest_api_num_threads=16"


STAND_IN = ROOT / "sandbox/images/tensorflow-serving/model_server/flags.py"


def test_the_servers_flags_are_those_of_the_stand_in() -> None:
    """Whose source is TF Serving's main.cc, too."""
    known = re.findall(r"^    (\w+): \w+ = _flag\(", STAND_IN.read_text(), re.MULTILINE)
    assert list(TF_SERVING.flags) == known
    assert TF_SERVING.cors_flag in TF_SERVING.flags and set(FLAGS) <= set(TF_SERVING.flags)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_role_gives_flags_that_the_server_has(variant: str) -> None:
    given = evaluate("serving_arguments", **VARIANTS[variant])
    assert {argument.removeprefix("--").partition("=")[0] for argument in given} <= set(TF_SERVING.flags)


def settled(changed: bool = False, generation: int = 3, **status: int) -> bool:
    known = {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, **status}
    deployment = {
        "metadata": {"name": "image-classifier", "generation": generation}, "spec": {"replicas": 2}, "status": known,
    }  # fmt: skip
    compared = {"pending": [deployment] if changed else []}
    return bool(
        evaluate("serving_settled", serving_compared=compared, serving_running={"resources": [deployment]})
    )


def test_what_changed_nothing_and_is_all_there_is_not_waited_for() -> None:
    assert settled()
    assert not settled(changed=True)
    assert not settled(generation=4), "the controller has not seen it yet"
    assert not settled(updatedReplicas=1)
    assert not settled(replicas=3), "an old pod is still there"
    assert not settled(availableReplicas=1)
    assert not evaluate(
        "serving_settled", serving_compared={"pending": []}, serving_running={"resources": []}
    )
