"""A real API server with the HPA's controller, a real Prometheus and both adapters, all on loopback; no node, no root.

What stands in: nothing runs in pods. Whoever has a Deployment of Prometheus or prometheus-adapter gets the program as a
process, with the arguments and the configuration of its pod; the model server's pods are proxies that tell metrics.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError

from sandbox.build import build_gke_adapter, released_dir
from sandbox.images.build import prometheus_program
from sandbox.kube.addons import apply_addons, apply_gke_metrics
from sandbox.kube.pki import Authority
from sandbox.paths import GKE_METRICS_PORT, METRICS_PORT, ClusterAddresses

from .egress import metrics_api, serving, way_to
from .proxies import Proxies

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/loadtest"))

from api_server import ApiServer  # noqa: E402
from loopback import free_port  # noqa: E402

NAMESPACE, NAME = "tfserving", "image-classifier"
CONTROLLERS = (
    "deployment-controller", "replicaset-controller", "garbage-collector-controller",
    "horizontal-pod-autoscaler-controller",
)  # fmt: skip
# A look every second, and pods count as soon as they are ready: what is told comes sooner, and nothing else differs.
SOONER = (
    "--horizontal-pod-autoscaler-sync-period=1s", "--horizontal-pod-autoscaler-cpu-initialization-period=0s",
    "--horizontal-pod-autoscaler-initial-readiness-delay=0s",
)  # fmt: skip
_OURS = ClusterAddresses(0)


class OnLoopback:
    """``cpu``: mCPU that the replicas use together, of 300 each. ``proxies``: what they tell."""

    def __init__(self, folder: Path) -> None:
        self.cpu = 0
        self.proxies = Proxies()
        self.folder = folder
        self._here = ExitStack()
        self._stop = threading.Event()
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, int] = {}
        self._prometheus = free_port()
        self._source = ""
        # Of its own, so that two may be there at once.
        self._net = f"127.{os.getpid() % 200 + 20}.1"
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        self._here.enter_context(self.proxies)
        way = self.folder / "way"
        self._here.enter_context(way_to(self._ports, way))
        self._api = ApiServer(self.folder, *self._aggregated(way))
        self._here.callback(self._api.close)
        self._here.callback(self._end_programs)
        self.client = self._api.client
        self.kubeconfig = self.folder / "cluster"
        self.kubeconfig.write_text(json.dumps(self._api.kubeconfig()))
        self._api.start_controllers(*CONTROLLERS, arguments=SOONER)
        apply_addons(self, _OURS)  # type: ignore[arg-type]
        apply_gke_metrics(self, _OURS)  # type: ignore[arg-type]
        self.client.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.client.post(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", _model_server())
        self._start_cpu()
        self._start_gke_adapter()
        thread = threading.Thread(target=self._follow, daemon=True)
        thread.start()
        self._here.callback(thread.join)
        self._here.callback(self._stop.set)

    def close(self) -> None:
        self._here.close()

    def apply(self, path: str, manifest: Json) -> None:
        """As the sandbox's own way to an API server."""
        query = "?fieldManager=sandbox&force=true"
        self.client.patch(path + query, manifest, content_type="application/apply-patch+yaml")

    def autoscale(self, **given: Any) -> int:
        """Runs the playbook; how much it changed."""
        inventory = ROOT / "molecule/resources/inventory/kubernetes.yml"
        given |= {"cluster_existing_kubeconfig": str(self.kubeconfig), "autoscaling_wait_timeout": 120}
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"), f"--inventory={inventory}",
            f"{ROOT}/playbooks/autoscaling.yml", f"--extra-vars={json.dumps(given)}",
        ]  # fmt: skip
        environment = {**os.environ, "MOLECULE_EPHEMERAL_DIRECTORY": str(self.folder)}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=400, check=False
        )
        assert done.returncode == 0, f"{done.stdout[-5000:]}{done.stderr[-1000:]}{self.logs()}"
        return int(done.stdout.rpartition("changed=")[2].split()[0])

    def goes_by(self, source: str, given: Json) -> None:
        """Runs the playbook, unless it did with this source."""
        if self._source != source:
            self.autoscale(**given, autoscaling_metrics_source=source)
            self._source = source

    def hpa(self) -> Json:
        path = f"/apis/autoscaling/v2/namespaces/{NAMESPACE}/horizontalpodautoscalers/{NAME}"
        return dict(self.client.get(path))

    @property
    def replicas(self) -> int:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{NAME}"
        return int(self.client.get(path)["spec"]["replicas"])

    def reasons(self) -> set[str]:
        """Of the HPA's conditions."""
        return {str(one.get("reason")) for one in self.hpa().get("status", {}).get("conditions", [])}

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (
                f"{what}: {json.dumps(self.hpa().get('status'))}\n{self.logs()}"
            )
            time.sleep(0.3)

    def settles(self, replicas: int, when: str) -> None:
        """It comes to so many replicas."""
        self.wait(lambda: self.replicas == replicas, f"{replicas} replicas when {when}, not {self.replicas}")

    def passes(self, seconds: float) -> None:
        time.sleep(seconds)

    def logs(self) -> str:
        """The end of what the programs said."""
        files = sorted(self.folder.glob("program-*.log"))
        return "\n".join(f"==> {file.name}\n{file.read_text()[-1500:]}" for file in files)

    def program(self, container: str) -> subprocess.Popen[bytes]:
        """The process of a pod with this container."""
        return self._programs[next(key for key in self._programs if key.rpartition("/")[2] == container)]

    def scale(self, deployment: str, replicas: int) -> None:
        path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{deployment}"
        body = {"spec": {"replicas": replicas}}
        self.client.patch(path, body, content_type="application/merge-patch+json")

    def pods(self) -> list[Json]:
        """The model server's."""
        found = self.client.get(f"/api/v1/namespaces/{NAMESPACE}/pods", labelSelector=f"app={NAME}")["items"]
        return [dict(pod) for pod in found if pod["status"].get("podIP")]

    def _aggregated(self, way: Path) -> list[str]:
        """Of the API server: its way to other APIs, and how it tells them who asks."""
        front = Authority(self.folder / "front")
        pair = front.issue("front-proxy", "front-proxy")
        connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(way)}}}
        egress = {
            "apiVersion": "apiserver.k8s.io/v1beta1", "kind": "EgressSelectorConfiguration",
            "egressSelections": [{"name": "cluster", "connection": connection}],
        }  # fmt: skip
        (self.folder / "egress.json").write_text(json.dumps(egress))
        return [
            f"--egress-selector-config-file={self.folder / 'egress.json'}", "--enable-aggregator-routing=true",
            f"--service-cluster-ip-range={_OURS.services}",
            f"--client-ca-file={self.folder / 'pki/ca.crt'}", f"--requestheader-client-ca-file={front.certificate}", "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pair.certificate}", f"--proxy-client-key-file={pair.key}",
        ]  # fmt: skip

    def _start_cpu(self) -> None:
        port = free_port()
        pair = Authority(self.folder / "cpu").issue("cpu", "cpu")
        self._here.enter_context(serving(metrics_api(self.pods, lambda: self.cpu, pair, port)))
        self._ports[f"{_OURS.api_server}:{METRICS_PORT}"] = port

    def _start_gke_adapter(self) -> None:
        port = free_port()
        self._run("gke", [str(build_gke_adapter(print)), *self._asked_at(port, "lister-kubeconfig")])
        self._ports[f"{_OURS.api_server}:{GKE_METRICS_PORT}"] = port

    def _asked_at(self, port: int, option: str) -> list[str]:
        kinds = (option, "authentication-kubeconfig", "authorization-kubeconfig")
        return [
            *(f"--{kind}={self.kubeconfig}" for kind in kinds), f"--secure-port={port}", "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / f'certificates-{port}'}",
        ]  # fmt: skip

    def _follow(self) -> None:
        """As scheduler and kubelets would: pods run, and the programs of those that are no proxies."""
        number = 0
        while not self._stop.wait(0.2):
            try:
                pods = self.client.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
                for pod in pods:
                    if pod["status"]["phase"] == "Pending":
                        number += 1
                        self._comes(pod, number)
                self._let_go({pod["metadata"]["name"] for pod in pods})
                self.proxies.be_at([pod["status"]["podIP"] for pod in self.pods()])
            except KubeError as error:  # it went while it was written of, say
                print(error, file=sys.stderr)

    def _comes(self, pod: Json, number: int) -> None:
        container = pod["spec"]["containers"][0]
        is_model = pod["metadata"]["labels"]["app"] == NAME
        address = f"{self._net}.{number}" if is_model else f"10.1.0.{number}"
        if not is_model:
            getattr(self, f"_start_{container['name']}")(pod["metadata"]["name"], container, address)
        kinds = ("Initialized", "ContainersReady", "Ready")
        status = {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "startTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "conditions": [{"type": kind, "status": "True"} for kind in kinds],
        }  # fmt: skip
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}/status"
        kind = "application/strategic-merge-patch+json"
        self.client.patch(path, {"status": status}, content_type=kind)

    def _start_prometheus(self, pod: str, container: Json, _: str) -> None:
        config = yaml.safe_load(self._config(f"{NAME}-prometheus")["prometheus.yml"])
        for job in config["scrape_configs"]:
            job["kubernetes_sd_configs"][0]["kubeconfig_file"] = str(self.kubeconfig)
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        replaced = {
            "/etc/prometheus/prometheus.yml": self.folder / "prometheus.yml", "/prometheus": self.folder / pod,
        }  # fmt: skip
        arguments = [_with(one, replaced) for one in container["args"]]
        listen = f"--web.listen-address=127.0.0.1:{self._prometheus}"
        self._run(f"{pod}/prometheus", [str(prometheus_program()), *arguments, listen])

    def _start_adapter(self, pod: str, container: Json, address: str) -> None:
        port = free_port()
        (self.folder / "adapter.yml").write_text(self._config(f"{NAME}-metrics-adapter")["config.yaml"])
        given = dict(one[2:].split("=", 1) for one in container["args"])
        given |= {
            "config": str(self.folder / "adapter.yml"), "prometheus-url": f"http://127.0.0.1:{self._prometheus}",
        }  # fmt: skip
        arguments = [
            f"--{key}={value}" for key, value in given.items() if key not in ("secure-port", "cert-dir")
        ]
        program = str(released_dir("prometheus-adapter") / "prometheus-adapter")
        self._run(f"{pod}/adapter", [program, *arguments, *self._asked_at(port, "lister-kubeconfig")])
        self._ports[f"{address}:6443"] = port
        self._lead_to([address])

    def _lead_to(self, addresses: list[str]) -> None:
        """As the controller of EndpointSlices, which goes by nodes."""
        name = f"{NAME}-metrics-adapter"
        path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices/{name}"
        slice_ = {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "https", "port": 6443, "protocol": "TCP"}],
            "endpoints": [{"addresses": addresses, "conditions": {"ready": True}}] if addresses else [],
        }  # fmt: skip
        self.apply(path, slice_)

    def _config(self, name: str) -> dict[str, str]:
        return dict(self.client.get(f"/api/v1/namespaces/{NAMESPACE}/configmaps/{name}")["data"])

    def _run(self, name: str, command: list[str]) -> None:
        with (self.folder / f"program-{name.rpartition('/')[2]}.log").open("ab") as log:
            self._programs[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def _let_go(self, pods: set[str]) -> None:
        for name in [one for one in self._programs if "/" in one and one.partition("/")[0] not in pods]:
            _end(self._programs.pop(name))
            if name.endswith("/adapter"):
                self._lead_to([])

    def _end_programs(self) -> None:
        while self._programs:
            _end(self._programs.popitem()[1])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _with(argument: str, replaced: dict[str, Path]) -> str:
    option, _, value = argument.partition("=")
    return f"{option}={replaced.get(value, value)}"


def _model_server() -> Json:
    container = {
        "name": "tfserving",
        "image": "none",
        "resources": {"requests": {"cpu": "300m", "memory": "800Mi"}},
    }
    labels = {"app": NAME}
    return {
        "metadata": {"name": NAME},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
