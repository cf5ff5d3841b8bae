"""A real API server with its etcd, on loopback and in a folder of its own; and where wanted some controllers.

There is no kubelet and no scheduler: tests write what those would have written.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import requests
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from loopback import free_port

from sandbox.build import binaries_dir
from sandbox.kube.pki import Authority
from sandbox.kube.process import environment

TOKEN = "tests-only"


class ApiServer:
    """Can be killed and started again; what it knew is in etcd. ``arguments``: more of them for kube-apiserver.
    ``authorization``: by what it judges who is no administrator, as the tests are.
    """

    def __init__(self, folder: Path, *arguments: str, authorization: str = "AlwaysAllow") -> None:
        program = binaries_dir() / "kube"
        assert program.exists(), f"no {program}: `make setup` compiles it"
        self._folder, self._kube, self._arguments = folder, str(program), arguments
        self._authorization = authorization
        self._authority = Authority(folder / "pki")
        self._port, self._etcd_port = free_port(), free_port()
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = KubeClient(self.kubeconfig())
        try:
            self._start_etcd()
            self.start()
        except BaseException:
            self.close()
            raise

    def kubeconfig(self) -> dict[str, Any]:
        cluster = {
            "server": f"https://127.0.0.1:{self._port}",
            "certificate-authority": str(self._authority.certificate),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "c", "user": {"token": TOKEN}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        }

    def start(self) -> None:
        """Returns when it is ready."""
        pair = self._authority.issue("apiserver", "kube-apiserver", addresses=[IPv4Address("127.0.0.1")])
        private, public = self._authority.service_account_keys()
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1", f"--secure-port={self._port}", "--service-cluster-ip-range=10.0.0.0/24",
            f"--tls-cert-file={pair.certificate}", f"--tls-private-key-file={pair.key}",
            f"--token-auth-file={self._folder / 'tokens.csv'}", f"--authorization-mode={self._authorization}",
            f"--service-account-key-file={public}", f"--service-account-signing-key-file={private}",
            "--service-account-issuer=https://kubernetes.default.svc",
            # Pods without controllers: nobody makes service accounts, or takes the taint of a new node away.
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            "--endpoint-reconciler-type=none",
            *self._arguments,
        )  # fmt: skip
        self._await("kube-apiserver", self._ready)

    def start_controllers(self, *names: str, arguments: tuple[str, ...] = ()) -> None:
        kubeconfig = self._folder / "kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(json.dumps(self.kubeconfig()))
        self._run(
            "kube-controller-manager",
            f"--kubeconfig={kubeconfig}", f"--controllers={','.join(names)}",
            "--bind-address=127.0.0.1", f"--secure-port={free_port()}", "--leader-elect=false",
            f"--cert-dir={self._folder / 'controllers'}",
            f"--flex-volume-plugin-dir={self._folder / 'volume-plugins'}",
            *arguments,
        )  # fmt: skip

    def kill(self) -> None:
        self._end("kube-apiserver")

    def forget(self) -> None:
        """Compacts etcd: what was before now can't be watched from any more."""
        url = f"http://127.0.0.1:{self._etcd_port}/v3/kv"
        now = requests.post(f"{url}/range", json={"key": "eA=="}, timeout=10).json()["header"]["revision"]
        requests.post(f"{url}/compaction", json={"revision": now}, timeout=10).raise_for_status()

    def close(self) -> None:
        for name in list(self._processes):
            self._end(name)

    def _start_etcd(self) -> None:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        self._run(
            "etcd",
            "--name=e", f"--data-dir={self._folder / 'etcd'}", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=e={peer}", "--unsafe-no-fsync",
            "--log-level=error",
        )  # fmt: skip

    def _run(self, component: str, *arguments: str) -> None:
        with (self._folder / f"{component}.log").open("ab") as log:
            self._processes[component] = subprocess.Popen(
                # What runs beside it is measured; how fast this is does not matter.
                ["nice", "-n", "10", self._kube, component, *arguments],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=environment(os.environ),
            )

    def _ready(self) -> bool:
        try:
            return self.client.raw("GET", "/readyz", timeout=5)[0] == 200
        except KubeError:
            return False

    def _await(self, component: str, ready: Any) -> None:
        deadline = time.monotonic() + 120
        while not ready():
            log = (self._folder / f"{component}.log").read_text()[-2000:]
            assert self._processes[component].poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)

    def _end(self, component: str) -> None:
        process = self._processes.pop(component)
        process.kill()
        process.wait()
