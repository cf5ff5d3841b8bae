"""What the collection costs on the sandbox with everything converged: the site, the serving role, status, a rollout, the proxy.

Needs root, and minutes: it starts the sandbox, puts the whole site into it, and removes it at the end. With BEFORE in
the environment, the folder of an older checkout, the site of both is compared.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from day_two import cgroup, cpu_seconds, scraping, status_time
from run import ROOT, entry

from tests.drills.drill import KUBECONFIG

PLAYBOOK = f"{ROOT}/.venv/bin/ansible-playbook"
RUNS = 3
TURNS = 7
BEFORE = os.environ.get("BEFORE")
PAUSE = 0.15
"""Seconds between single requests, each of which takes about 20 ms of CPU where 300 ms a second are allowed."""
DRILL = ["-e", f"@{ROOT / 'tests/drills/vars.yml'}"]
MODELS = ROOT / "tests/drills/models"

Json = dict[str, Any]


def measure() -> list[Json]:
    if os.geteuid() != 0:
        print("not measured, since the sandbox needs root: the site, the serving role, a rollout, the proxy")
        return []
    subprocess.run([sys.executable, "-m", "sandbox", "up"], cwd=ROOT, check=True)
    play("site.yml")
    try:
        return [*converged(), *(against(Path(BEFORE).resolve()) if BEFORE else ()), *proxy_cost(), rollout()]
    finally:
        play("playbooks/teardown.yml")


def play(*arguments: str, unchanged: bool = False, checkout: Path = ROOT) -> float:
    """Runs a playbook that must succeed; its wall seconds."""
    started = time.monotonic()
    done = subprocess.run([PLAYBOOK, *arguments], cwd=checkout, capture_output=True, text=True, check=False)
    took = time.monotonic() - started
    if done.returncode or (unchanged and "changed=0" not in done.stdout):
        raise RuntimeError(f"ansible-playbook {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return took


def converged() -> list[Json]:
    """Nothing to do: the whole site next to the naive form, preflight, and the serving role without Ansible's start."""
    with tempfile.TemporaryDirectory() as folder:
        naive, role, bare = (Path(folder) / f"{name}.yml" for name in ("naive", "role", "bare"))
        naive.write_text(yaml.safe_dump(naive_site(), sort_keys=False))
        role.write_text(yaml.safe_dump([serving_alone()], sort_keys=False))
        bare.write_text("- {hosts: tfserving, gather_facts: false}\n")
        play(str(naive))
        took: dict[str, list[float]] = {}
        for _ in range(RUNS):
            for name, file in (
                ("site", "site.yml"),
                ("role", str(role)),
                ("preflight", "playbooks/preflight.yml"),
            ):
                took.setdefault(name, []).append(play(file, unchanged=True))
            for file in (naive, bare):
                took.setdefault(file.stem, []).append(play(str(file)))
        status = status_time(play, str(bare))
    found = {name: statistics.median(seconds) for name, seconds in took.items()}
    return [
        entry("site.yml, nothing to do", found["site"], "s", 8, "a task an object, stock modules", found["naive"]),
        entry("site.yml, nothing to do, against the naive form", found["site"] / found["naive"], "ratio", 1 / 3),
        entry("serving role, nothing to do", found["role"] - found["bare"], "s", 2),
        entry("playbooks/preflight.yml", found["preflight"], "s", 1.5, "a play without tasks", found["bare"]),
        *status, scraping("tfserving", "image-classifier"),
    ]  # fmt: skip


def against(before: Path) -> list[Json]:
    """The site with nothing to do, of this checkout and of an older one in turns, since what else a machine does varies.

    Each has a namespace of its own: their pods may differ.
    """
    sites = [(ROOT, ["site.yml"]), (before, ["site.yml", "-e", "serving_namespace=before"])]
    for checkout, arguments in sites:
        play(*arguments, checkout=checkout)
    took: dict[Path, list[float]] = {ROOT: [], before: []}
    for turn in range(TURNS):
        for checkout, arguments in sites if turn % 2 else reversed(sites):
            took[checkout].append(play(*arguments, checkout=checkout, unchanged=True))
    now, then = (statistics.median(took[checkout]) for checkout in (ROOT, before))
    # What comes next needs their room.
    KubeClient(str(KUBECONFIG)).delete("/api/v1/namespaces/before")
    return [
        entry("site.yml, nothing to do, next to BEFORE", now, "s", then, str(before), then),
        entry("site.yml, nothing to do, against BEFORE", now / then, "ratio", 1.0),
    ]


def serving_alone() -> Json:
    kubeconfig = {"kubeconfig": str(KUBECONFIG)}
    return {
        "hosts": "tfserving",
        "gather_facts": False,
        "module_defaults": {"group/kubernetes.core.k8s": kubeconfig, "group/mlops.tfserving.k8s": kubeconfig},
        "vars": {"serving_model_uri": "gs://{{ storage_bucket }}/models/image_classifier/1"},
        "roles": ["mlops.tfserving.serving"],
    }


def naive_site() -> list[Json]:
    """The same state with google.cloud and one kubernetes.core task for each object, as most people begin."""
    google = {
        "project": "sandbox-project", "auth_kind": "serviceaccount",
        "service_account_file": "{{ gcp_service_account_file }}",
    }  # fmt: skip
    proxy = {
        "HTTPS_PROXY": "{{ cluster_bootstrap_https_proxy }}",
        "REQUESTS_CA_BUNDLE": "{{ cluster_bootstrap_ca_bundle }}",
    }
    tasks: list[Json] = [
        {
            "name": "Bucket",
            "google.cloud.gcp_storage_bucket": {**google, "name": "{{ storage_bucket }}"},
            "environment": proxy,
        },
        {
            "name": "Cluster",
            "google.cloud.gcp_container_cluster_info": {**google, "location": "{{ cluster_location }}"},
            "environment": proxy,
        },
        {
            "name": "Node pool",
            "google.cloud.gcp_container_node_pool_info": {
                **google, "location": "{{ cluster_location }}", "cluster": {"name": "{{ cluster_name }}"},
            },
            "environment": proxy,
        },
    ]  # fmt: skip
    model = Path("/var/lib/mlops-tfserving-sandbox/model").resolve()
    for file in sorted(path for path in model.rglob("*") if path.is_file()):
        upload = {
            "bucket": "{{ storage_bucket }}", "action": "upload", "src": str(file),
            "dest": f"naive/1/{file.relative_to(model)}",
        }  # fmt: skip
        tasks.append(
            {
                "name": f"Object {file.name}",
                "google.cloud.gcp_storage_object": {**google, **upload},
                "environment": proxy,
            }
        )
    for item in live_objects():
        where = {"kubeconfig": str(KUBECONFIG), "wait": item["kind"] == "Deployment"}
        tasks.append(
            {
                "name": f"{item['kind']} {item['metadata']['name']}",
                "kubernetes.core.k8s": {**where, "definition": item},
            }
        )
    return [{"hosts": "tfserving", "gather_facts": False, "tasks": tasks}]


def live_objects() -> Iterator[Json]:
    """What our roles have applied, as somebody would write it down."""
    api = KubeClient(str(KUBECONFIG))
    places = [
        "/api/v1/namespaces", *(f"/api/v1/namespaces/tfserving/{kind}" for kind in ("serviceaccounts", "configmaps", "services")),
        "/apis/networking.k8s.io/v1/namespaces/tfserving/networkpolicies",
        "/apis/policy/v1/namespaces/tfserving/poddisruptionbudgets", "/apis/apps/v1/namespaces/tfserving/deployments",
        "/apis/autoscaling/v2/namespaces/tfserving/horizontalpodautoscalers",
    ]  # fmt: skip
    for place in places:
        found = api.get(place)
        for item in found["items"]:
            fields = item["metadata"].pop("managedFields", [])
            if not any(field["manager"] == "mlops.tfserving" for field in fields):
                continue
            kept = {k: item["metadata"][k] for k in ("name", "namespace", "labels") if k in item["metadata"]}
            item.pop("status", None)
            yield {
                **item,
                "apiVersion": found["apiVersion"],
                "kind": found["kind"].removesuffix("List"),
                "metadata": kept,
            }


def rollout() -> Json:
    """A new version on warm nodes: the gate's pod, then four replicas."""
    for version, name in ((1, "good"), (2, "better")):
        play(
            "playbooks/storage.yml", *DRILL, "-e", f"storage_model_version={version}",
            "-e", f"storage_model_source={MODELS / name}",
        )  # fmt: skip
    play("playbooks/promote.yml", *DRILL, "-e", "promote_version=1")
    play("playbooks/autoscaling.yml", *DRILL, "-e", "autoscaling_min_replicas=4")
    api = KubeClient(str(KUBECONFIG))
    deadline = time.monotonic() + 300
    while (
        api.get("/apis/apps/v1/namespaces/drills/deployments/drill")["status"].get("availableReplicas") != 4
    ):
        if time.monotonic() > deadline:
            raise RuntimeError("four replicas did not come")
        time.sleep(1)
    took = play("playbooks/promote.yml", *DRILL, "-e", "promote_version=2")
    return entry("rollout of a new version: gate and 4 replicas", took, "s", 90)


def proxy_cost() -> list[Json]:
    """The demo's model with and without the proxy, at once and in turns: latency of single requests, CPU at saturation."""
    names = {"with": "true", "without": "false"}
    for name, enabled in names.items():
        where = ["-e", f"serving_name=bench-{name}", "-e", "serving_namespace=bench"]
        play("playbooks/storage.yml", *where)  # Who reads the bucket.
        play(
            "playbooks/serving.yml", *where, "-e", f"serving_proxy_enabled={enabled}",
            "-e", "serving_handover_seconds=1",
        )  # fmt: skip
    servers = {name: Server(f"bench-{name}") for name in names}
    latencies: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(100):
        for name, server in servers.items():
            # Less than their CPU limit: above it the kernel's pauses of a tenth of a second are all that shows.
            time.sleep(PAUSE)
            latencies[name].append(server.ask())
    p50 = {name: statistics.median(values[5:]) for name, values in latencies.items()}
    cpu = {name: server.cpu_per_request() for name, server in servers.items()}
    # What is measured next needs their room.
    KubeClient(str(KUBECONFIG)).delete("/api/v1/namespaces/bench")
    return [
        entry("proxy: what it adds to the median latency", (p50["with"] - p50["without"]) * 1000, "ms", 1,
              "median without", p50["without"] * 1000),
        entry("proxy: CPU of the pod for a request at saturation, ratio", cpu["with"] / cpu["without"], "ratio", 1.05),
    ]  # fmt: skip


class Server:
    """One model server of the comparison, behind its load balancer's address."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._api = KubeClient(str(KUBECONFIG))
        service = self._api.get(f"/api/v1/namespaces/bench/services/{name}")
        self._host = service["status"]["loadBalancer"]["ingress"][0]["ip"]
        picture = base64.b64encode((ROOT / "roles/loadtest/files/coffee.jpg").read_bytes()).decode()
        body = {"signature_name": "serving_preprocess", "instances": [{"b64": picture}]}
        self._body = json.dumps(body).encode()
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._host, 8501, timeout=60)

    def ask(self, connection: http.client.HTTPConnection | None = None) -> float:
        """Seconds of one request on a kept-alive connection."""
        used = connection or self._connection
        started = time.monotonic()
        used.request("POST", "/v1/models/image_classifier:predict", self._body)
        answer = used.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self._name} answered {answer.status}")
        return time.monotonic() - started

    def cpu_per_request(self, seconds: float = 30, clients: int = 4) -> float:
        """CPU seconds of the whole pod for one request, while it has more than it can do."""
        done = [0] * clients
        with self._usage() as used:
            until = time.monotonic() + seconds

            def work(number: int) -> None:
                connection = self._connect()
                while time.monotonic() < until:
                    self.ask(connection)
                    done[number] += 1

            threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return used["cpu"] / sum(done)

    @contextmanager
    def _usage(self) -> Iterator[dict[str, float]]:
        """The CPU seconds that the pod's processes take meanwhile, from its cgroups."""
        pods = self._api.get("/api/v1/namespaces/bench/pods", labelSelector=f"app={self._name}")["items"]
        folder = cgroup(pods[0]["metadata"]["uid"])
        used: dict[str, float] = {}
        before = cpu_seconds(folder)
        yield used
        used["cpu"] = cpu_seconds(folder) - before
