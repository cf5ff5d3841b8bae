"""Pods that do not come: messages as the kubelet, containerd and registries write them."""

from __future__ import annotations

from typing import Any

import pytest
from hang_cases import Case, check, told
from kube_objects import (
    Json,
    crashing,
    ended,
    event,
    pod,
    running,
    verdict,
    waiting,
)

OOM_LIMIT = {"containers": [{"name": "m", "resources": {"limits": {"memory": "512Mi"}}}]}
PROBED = {
    "containers": [
        {"name": "m", "startupProbe": {"periodSeconds": 1, "failureThreshold": 300}, "readinessProbe": {}}
    ]
}
INIT = {"initContainers": [{"name": "fetch-model"}], "containers": [{"name": "m"}]}


def _of(status: Json, **more: Any) -> Any:
    return verdict(pod(containerStatuses=[status], **more))


PULL = 'Back-off pulling image "{image}": ErrImagePull: rpc error: code = {code} desc = failed to pull and unpack image "{image}": {why}'

IMAGES = {
    "tag missing": Case(
        lambda: _of(waiting("ErrImagePull", 'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/tensorflow/serving:9.9": failed to resolve reference "docker.io/tensorflow/serving:9.9": docker.io/tensorflow/serving:9.9: not found')),
        "9.9: not found", "tag",
    ),
    "tag missing, backing off": Case(
        lambda: _of(waiting("ImagePullBackOff", PULL.format(image="x:9", code="NotFound", why="x:9: not found"))),
        "not found", "tag",
    ),
    "backing off, only the event says why": Case(
        lambda: told(
            pod(containerStatuses=[waiting("ImagePullBackOff", 'Back-off pulling image "x:9"', image="x:9")]),
            ("Failed", 'Failed to pull image "x:9": rpc error: code = NotFound desc = x:9: not found'),
        ),
        "code = NotFound", "tag",
    ),
    "no credentials": Case(
        lambda: _of(waiting("ErrImagePull", 'failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://europe-west4-docker.pkg.dev/v2/token: 403 Forbidden')),
        "403 Forbidden", "access to its registry",
    ),
    "private on Docker Hub": Case(
        lambda: _of(waiting("ErrImagePull", "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed")),
        "pull access denied", "imagePullSecrets",
    ),
    "no such registry": Case(
        lambda: _of(waiting("ErrImagePull", 'failed to do request: Head "https://registry.exmaple/v2/m": dial tcp: lookup registry.exmaple on 10.0.0.10:53: no such host')),
        "no such host", "name",
    ),
    "other platform": Case(
        lambda: _of(waiting("ErrImagePull", 'rpc error: code = NotFound desc = no match for platform in manifest: not found')),
        "platform", "platform",
    ),
    "never to be pulled": Case(
        lambda: _of(waiting("ErrImageNeverPull", 'Container image "m:1" is not present with pull policy of Never')),
        "pull policy of Never", "imagePullPolicy",
    ),
    "impossible name": Case(
        lambda: _of(waiting("InvalidImageName", 'Failed to apply default image tag "M:1:2": couldn\'t parse image name "M:1:2": invalid reference format')),
        "couldn't parse image name", "name",
    ),
    "registry slow": Case(
        lambda: _of(waiting("ErrImagePull", 'failed to do request: Head "https://r/v2/m": dial tcp 192.0.2.1:443: i/o timeout'), age=20),
        "ErrImagePull", in_vain=False,
    ),
    "registry slow for long": Case(
        lambda: _of(waiting("ImagePullBackOff", 'failed to do request: Head "https://r/v2/m": dial tcp 192.0.2.1:443: i/o timeout'), age=200),
        "i/o timeout", "firewall",
    ),
    "slow registry counted from the first attempt, not from the pod's start": Case(
        lambda: told(
            pod(age=400, containerStatuses=[waiting("ErrImagePull", "503 Service Unavailable", image="x:9")]),
            ("Failed", 'Failed to pull image "x:9": 503 Service Unavailable'),
        ),
        "ErrImagePull", in_vain=False,
    ),
}  # fmt: skip

CONTAINERS = {
    "crash loop": Case(
        lambda: _of(crashing(255, message="Failed to start server. Error: Unknown: 1 servable(s) did not become available")),
        "did not become available", "last words",
    ),
    "one end is no loop": Case(
        lambda: _of(running(restartCount=1, lastState=ended(1))), "runs, not ready yet", in_vain=False
    ),
    "runs again after three ends": Case(lambda: _of(running(restartCount=3, lastState=ended(1, message="bad"))), "bad", "last words"),
    "ends from long ago": Case(
        lambda: _of(running(restartCount=3, lastState=ended(1, since=9000))), "runs", in_vain=False
    ),
    "out of memory": Case(
        lambda: _of(crashing(137, "OOMKilled"), spec=OOM_LIMIT), "OOMKilled at its limit of 512Mi", "memory limit"
    ),
    "segmentation fault": Case(lambda: _of(crashing(139)), "segmentation fault"),
    "processor too old": Case(lambda: _of(crashing(132)), "AVX"),
    "command missing": Case(
        lambda: _of(crashing(128, "StartError", 'failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "tensorflow_model_sever": executable file not found in $PATH: unknown', restarts=0)),
        "executable file not found", "command",
    ),
    "command missing, first attempt": Case(
        lambda: _of(waiting("RunContainerError", 'failed to start containerd task "m": exec: "/bin/nope": no such file or directory: unknown')),
        "no such file or directory", "command",
    ),
    "wrong architecture": Case(lambda: _of(crashing(1, message="exec /usr/bin/m: exec format error")), "exec format error", "architecture"),
    "ends by itself": Case(lambda: _of(crashing(0, "Completed")), "exit code 0", "must not end"),
    "config map missing": Case(
        lambda: _of(waiting("CreateContainerConfigError", 'configmap "tfserving-configs" not found')),
        'configmap "tfserving-configs" not found', "make the ConfigMap",
    ),
    "config map made in the same breath": Case(
        lambda: _of(waiting("CreateContainerConfigError", 'configmap "c" not found'), age=2), "CreateContainerConfigError", in_vain=False
    ),
    "key missing": Case(
        lambda: _of(waiting("CreateContainerConfigError", "couldn't find key MODEL_NAME in ConfigMap ns/tfserving-configs")),
        "couldn't find key MODEL_NAME", "add the key",
    ),
    "kubelet's cache is slow": Case(
        lambda: _of(waiting("CreateContainerConfigError", "failed to sync configmap cache: timed out waiting for the condition")),
        "CreateContainerConfigError", in_vain=False,
    ),
    "root where root is forbidden": Case(
        lambda: _of(waiting("CreateContainerConfigError", 'container has runAsNonRoot and image will run as root (pod: "w_ns(1)", container: m)')),
        "will run as root", "runAsUser",
    ),
    "no command": Case(
        lambda: _of(waiting("CreateContainerError", 'failed to generate container "1" spec: failed to generate spec: no command specified')),
        "no command specified", "pod template",
    ),
    "containerd is slow": Case(
        lambda: _of(waiting("CreateContainerError", "context deadline exceeded")), "CreateContainerError", in_vain=False
    ),
    "init container fails": Case(
        lambda: verdict(pod(spec=INIT, initContainerStatuses=[crashing(1, message="error: gs://b/m/3: sha256 of variables.data differs", name="fetch-model")], containerStatuses=[waiting("PodInitializing")])),
        "init container fetch-model of pod",
    ),
    "init container works": Case(
        lambda: verdict(pod(spec=INIT, initContainerStatuses=[running(name="fetch-model")], containerStatuses=[waiting("PodInitializing")])),
        "init container fetch-model runs", in_vain=False,
    ),
}  # fmt: skip


def _probe(kind: str, said: str, *, spec: Json = PROBED, status: Json | None = None, killed: int = 0) -> Any:
    found = pod(spec=spec, phase="Running", containerStatuses=[status or running()])
    events = [event(found, "Unhealthy", f"{kind} probe failed: {said}", count=7)]
    if killed:
        message = f"Container m failed {kind.lower()} probe, will be restarted"
        events.append(event(found, "Killing", message, count=killed))
    return verdict(found, events=tuple(events))


PROBES = {
    "readiness 404": Case(
        lambda: _probe("Readiness", "HTTP probe failed with statuscode: 404"), "statuscode: 404 (7 times)", "version", in_vain=False
    ),
    "readiness, nothing listens": Case(
        lambda: _probe("Readiness", 'Get "http://10.4.0.7:8501/v1/models/m": dial tcp 10.4.0.7:8501: connect: connection refused'),
        "connection refused", "port", in_vain=False,
    ),
    "readiness too slow": Case(
        lambda: _probe("Readiness", 'Get "http://10.4.0.7:8501/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'),
        "Client.Timeout", "timeoutSeconds", in_vain=False,
    ),
    "startup goes on": Case(
        lambda: _probe("Startup", 'Get "http://10.4.0.7:8501/": connection refused', status=running(started=False)),
        "startup probe says", in_vain=False,
    ),
    "startup kills": Case(
        lambda: _probe("Startup", 'Get "http://10.4.0.7:8501/": connection refused', killed=1), "killed by its startup probe", "300 s"
    ),
    "liveness kills once": Case(lambda: _probe("Liveness", "x", killed=1), "runs", in_vain=False),
    "liveness kills again": Case(
        lambda: _probe("Liveness", "HTTP probe failed with statuscode: 500", killed=2), "killed by its liveness probe: HTTP"
    ),
}  # fmt: skip

STARTING = {
    "volume's config map missing": Case(
        lambda: told(pod(containerStatuses=[waiting("ContainerCreating")]), ("FailedMount", 'MountVolume.SetUp failed for volume "files" : configmap "w-files" not found'), count=8),
        'configmap "w-files" not found', "ConfigMap",
    ),
    "volume's secret missing, and the kubelet tired of waiting": Case(
        lambda: told(
            pod(age=200, containerStatuses=[waiting("ContainerCreating")]),
            ("FailedMount", 'MountVolume.SetUp failed for volume "key" : secret "key" not found'),
            ("FailedMount", "Unable to attach or mount volumes: unmounted volumes=[key], unattached volumes=[], failed to process volumes=[]: timed out waiting for the condition"),
        ),
        'secret "key" not found', "Secret",
    ),
    "volume's key missing": Case(
        lambda: told(pod(containerStatuses=[waiting("ContainerCreating")]), ("FailedMount", 'MountVolume.SetUp failed for volume "files" : configmap references non-existent config key: models.config'), count=8),
        "non-existent config key", "key",
    ),
    "config map that is just coming": Case(
        lambda: told(pod(age=4, containerStatuses=[waiting("ContainerCreating")]), ("FailedMount", 'MountVolume.SetUp failed for volume "files" : configmap "w-files" not found'), count=3),
        "ContainerCreating", in_vain=False,
    ),
    "mount that the kubelet's cache delays": Case(
        lambda: told(pod(containerStatuses=[waiting("ContainerCreating")]), ("FailedMount", 'MountVolume.SetUp failed for volume "kube-api-access-x" : failed to sync configmap cache: timed out waiting for the condition'), count=2),
        "ContainerCreating", in_vain=False,
    ),
    "disk attached elsewhere": Case(
        lambda: told(pod(age=300, containerStatuses=[waiting("ContainerCreating")]), ("FailedAttachVolume", 'Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node and can\'t be attached to another'), count=2),
        "Multi-Attach", "surge",
    ),
    "network plugin fails": Case(
        lambda: told(pod(containerStatuses=[waiting("ContainerCreating")]), ("FailedCreatePodSandBox", 'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "1": plugin type="ptp" failed (add): no IP addresses available in range set'), count=9),
        "no IP addresses", "network",
    ),
    "network plugin of a new node": Case(
        lambda: told(pod(age=20, containerStatuses=[waiting("ContainerCreating")]), ("FailedCreatePodSandBox", "Failed to create pod sandbox: cni plugin not initialized"), count=2),
        "ContainerCreating", in_vain=False,
    ),
    "runtime missing": Case(
        lambda: told(pod(age=3, containerStatuses=[waiting("ContainerCreating")]), ("FailedCreatePodSandBox", 'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for "gvisor" is configured'), count=2),
        "no runtime for", "runtimeClassName",
    ),
}  # fmt: skip

CASES = {**IMAGES, **CONTAINERS, **PROBES, **STARTING}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_hang_is_told_apart(case: Case) -> None:
    check(case)
