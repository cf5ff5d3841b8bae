"""Which replicas go: a real API server and a real ReplicaSet controller, the role's objects, and its program as a process.

What stands in: nothing runs in pods, and their proxies tell what the test says. Only how often the program reads is another.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError

from .on_loopback import ROOT, ApiServer
from .proxies import Proxies

sys.path.append(str(ROOT / "tests/unit/roles"))

from serving_role import render

Json = dict[str, Any]
NAMESPACE, NAME, PROGRAM = "tfserving", "image-classifier", "image-classifier-idlest"
COST = "controller.kubernetes.io/pod-deletion-cost"
PATHS = {
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "Role": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles",
    "RoleBinding": f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/rolebindings",
    "ServiceAccount": f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts",
    "Deployment": f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments",
}
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class Unlike(Proxies):
    """Proxies that each have a load of their own, by address; ``silent`` ones tell nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: dict[str, float] = {}

    def text(self, address: str, path: str) -> str:
        return f'haproxy_backend_current_sessions{{proxy="rest"}} {self.loads.get(address, 0)}\n'


class Site:
    """``pods``: of the model server, as the API server has them. ``program``: what the role's pod runs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.proxies = folder, Unlike()
        self._net = f"127.{os.getpid() % 200 + 20}.2"
        self._number = 0
        self._stop = threading.Event()
        self.program: subprocess.Popen[bytes] | None = None
        self._api = ApiServer(folder, authorization="RBAC")
        self.client = self._api.client
        self.client.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self._api.start_controllers("deployment-controller", "replicaset-controller")
        self.objects = render("idlest", serving_idlest_first="true")
        for key, one in self.objects.items():
            if (kind := key.partition("/")[0]) in PATHS and kind != "Deployment":
                self.client.post(PATHS[kind], one)
        (folder / "ca.crt").write_bytes((folder / "pki/ca.crt").read_bytes())
        self.renew()
        threading.Thread(target=self._follow, daemon=True).start()

    def close(self) -> None:
        self.end()
        self._stop.set()
        self.proxies.__exit__()
        self._api.close()

    def renew(self) -> None:
        """The token of the pod's account, as a kubelet does; and a client with it."""
        path = f"{PATHS['ServiceAccount']}/{PROGRAM}/token"
        token = self.client.post(path, {"spec": {}})["status"]["token"]
        (self.folder / "token").write_text(token)
        user = {"name": "c", "user": {"token": token}}
        self.own = type(self.client)({**self._api.kubeconfig(), "users": [user]})

    def restart(self) -> None:
        """The API server, which takes no token of before then."""
        self._api.kill()
        time.sleep(1)
        self._api.start()
        self.renew()

    def begin(self) -> None:
        """As the Deployment's pod would; it reads twenty times a second, so that a minute passes in one."""
        text = self.objects[f"ConfigMap/{PROGRAM}"]["data"]["idlest.py"]
        assert "READ_SECONDS = 5.0" in text
        script = self.folder / "idlest.py"
        script.write_text(text.replace("READ_SECONDS = 5.0", "READ_SECONDS = 0.05"))
        server = self._api.kubeconfig()["clusters"][0]["cluster"]["server"]
        host, port = server.removeprefix("https://").split(":")
        environment = {
            "PATH": os.environ["PATH"], "NAMESPACE": NAMESPACE, "APP": NAME, "ACCOUNT": str(self.folder),
            "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port,
        }  # fmt: skip
        with (self.folder / "idlest.log").open("ab") as log:
            self.program = subprocess.Popen(
                [sys.executable, "-u", str(script)], env=environment, stdout=log, stderr=log
            )

    def end(self) -> None:
        if self.program:
            self.program.terminate()
            assert self.program.wait(5) == 0
            self.program = None

    def log(self) -> str:
        return (self.folder / "idlest.log").read_text()

    def serve(self, replicas: int) -> None:
        """A Deployment of so many, all ready."""
        labels = {"app": NAME}
        spec = {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "none"}]},
            },
        }
        self.client.post(PATHS["Deployment"], {"metadata": {"name": NAME}, "spec": spec})
        self.wait(lambda: len(self.pods()) == replicas, "replicas come")

    def scale(self, replicas: int) -> None:
        self.client.patch(f"{PATHS['Deployment']}/{NAME}", {"spec": {"replicas": replicas}})
        self.wait(lambda: len(self.pods()) == replicas, "replicas go")

    def leave(self) -> None:
        self.end()
        self.proxies.silent.clear()
        if self.client.get_or_none(f"{PATHS['Deployment']}/{NAME}"):
            self.client.delete(f"{PATHS['Deployment']}/{NAME}")
        for path in (f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets", PODS):
            for one in self.client.get(path)["items"]:
                self.client.patch(f"{path}/{one['metadata']['name']}", {"metadata": {"finalizers": None}})
                self.client.delete(f"{path}/{one['metadata']['name']}?gracePeriodSeconds=0")
        self.wait(lambda: not self.client.get(PODS)["items"], "nothing is left")

    def pods(self) -> dict[str, Json]:
        found = self.client.get(PODS, labelSelector=f"app={NAME}")["items"]
        return {
            pod["metadata"]["name"]: pod for pod in found
            if pod["status"].get("podIP") and not pod["metadata"].get("deletionTimestamp")
        }  # fmt: skip

    def costs(self) -> dict[str, int]:
        return {
            name: int(pod["metadata"].get("annotations", {}).get(COST, 0))
            for name, pod in self.pods().items()
        }

    def in_order(self, *names: str) -> bool:
        """Whether these cost more and more."""
        costs = [self.costs()[name] for name in names]
        return costs == sorted(set(costs))

    def versions(self) -> dict[str, str]:
        return {name: pod["metadata"]["resourceVersion"] for name, pod in self.pods().items()}

    def load(self, **loads: float) -> None:
        pods = self.pods()
        self.proxies.loads = {
            pods[name.replace("_", "-")]["status"]["podIP"]: value for name, value in loads.items()
        }

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            log = self.log() if (self.folder / "idlest.log").exists() else ""
            assert time.monotonic() < deadline, f"{what}: {json.dumps(self.costs())}\n{log[-2000:]}"
            time.sleep(0.1)

    def _follow(self) -> None:
        """As scheduler and kubelets would: pods run, and those that are to go are gone."""
        while not self._stop.wait(0.1):
            try:
                for pod in self.client.get(PODS)["items"]:
                    if pod["metadata"].get("deletionTimestamp"):
                        self.client.delete(f"{PODS}/{pod['metadata']['name']}?gracePeriodSeconds=0")
                    elif pod["status"]["phase"] == "Pending":
                        self._comes(pod["metadata"]["name"])
            except KubeError as error:
                print(error, file=sys.stderr)

    def _comes(self, name: str) -> None:
        self._number += 1
        address = f"{self._net}.{self._number}"
        self.proxies.be_at([address])
        status = {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "conditions": [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")],
        }  # fmt: skip
        self.client.patch(
            f"{PODS}/{name}/status", {"status": status}, content_type="application/strategic-merge-patch+json"
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    there = Site(tmp_path_factory.mktemp("idlest"))
    yield there
    there.close()


@pytest.fixture
def site(cluster: Site) -> Iterator[Site]:
    yield cluster
    cluster.leave()


@pytest.mark.parametrize("busiest", range(3))
def test_the_busiest_stays(site: Site, busiest: int) -> None:
    """Of three, whichever it is: the first that came, or the last, which Kubernetes by itself lets go first."""
    site.serve(3)
    names = sorted(site.pods())
    loads = {names[(busiest + more) % 3]: float(load) for more, load in enumerate((9, 0, 3))}
    site.load(**loads)
    site.begin()
    site.wait(lambda: site.in_order(*sorted(loads, key=lambda name: loads[name])), "they are in order")
    site.scale(2)
    assert names[(busiest + 1) % 3] not in site.pods(), "the idlest goes first"
    site.scale(1)
    assert [*site.pods()] == [names[busiest]]


def test_nothing_is_written_while_the_order_is_right(site: Site) -> None:
    site.serve(4)
    names = sorted(site.pods())
    site.load(**dict.fromkeys(names, 7.0))
    site.begin()
    before = site.versions()
    time.sleep(3)
    assert site.versions() == before, "all have as much to do"
    site.load(**dict(zip(names, (0, 1, 4, 9), strict=True)))
    site.wait(lambda: site.in_order(*names), "they are in order")
    time.sleep(1)  # in which all that is averaged is as it is now
    before = site.versions()
    site.load(**dict(zip(names, (1, 3, 9, 20), strict=True)))
    time.sleep(3)
    assert site.versions() == before, "twice as much, and in the same order"


def test_what_can_not_be_read_stays_as_it_is(site: Site) -> None:
    site.serve(3)
    one, two, three = sorted(site.pods())
    site.load(**{one: 0, two: 3, three: 9})
    site.begin()
    site.wait(lambda: site.in_order(one, two, three), "they are in order")
    noted = site.costs()[three]
    site.proxies.silent.add(site.pods()[three]["status"]["podIP"])
    site.load(**{one: 3, two: 0, three: 0})
    site.wait(lambda: site.in_order(two, one), "the other two change places")
    assert site.costs()[three] == noted
    site.restart()
    site.proxies.silent.clear()
    site.wait(lambda: site.in_order(three, one), "it goes on when the API server is back")
    assert "left as it is until the next look" in site.log()
    site.end()
    before = site.costs()
    site.load(**{one: 0, two: 9, three: 9})
    time.sleep(1)
    assert site.costs() == before, "who is dead notes nothing"


@pytest.mark.parametrize(
    "change",
    [
        {"metadata": {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}}},
        {"metadata": {"annotations": {COST: "1", "other": None}}},
        {"metadata": {"labels": {"app": "other"}}},
        {"metadata": {"labels": {"more": "1"}}},
        {"metadata": {"finalizers": ["example.org/stays"]}},
        {"metadata": {"ownerReferences": []}},
        {"spec": {"containers": [{"name": "c", "image": "evil"}]}},
        {"spec": {"activeDeadlineSeconds": 1}},
    ],
)  # fmt: skip
def test_its_account_may_change_nothing_else_of_a_pod(site: Site, change: Json) -> None:
    site.serve(1)
    (name,) = site.pods()
    site.client.patch(f"{PODS}/{name}", {"metadata": {"annotations": {"other": "kept"}}})

    def refused() -> str:
        try:
            site.own.patch(f"{PODS}/{name}", change)
        except KubeError as error:
            assert error.status in (403, 422), error
            return str(error)
        return ""

    # A policy takes effect a moment after it is made.
    site.wait(lambda: "This account may change no" in refused(), f"{change} is refused", 15)
    site.own.patch(f"{PODS}/{name}", {"metadata": {"annotations": {COST: "5"}}})
    site.own.patch(f"{PODS}/{name}", {"metadata": {"annotations": {COST: None}}})
    # Whom the policy is not about.
    site.client.patch(f"{PODS}/{name}", change)


def test_its_account_may_change_no_pod_of_another(site: Site) -> None:
    spec = {"containers": [{"name": "c", "image": "none"}]}
    site.client.post(PODS, {"metadata": {"name": "other", "labels": {"app": "other"}}, "spec": spec})
    change = {"metadata": {"annotations": {COST: "5"}}}
    with pytest.raises(KubeError, match="no pods but those of image-classifier"):
        site.own.patch(f"{PODS}/other", change)
    for method in (site.own.get, site.own.delete):
        with pytest.raises(KubeError) as refused:
            method(f"{PODS}/other")
        assert refused.value.status == 403
