"""etcd, API server, controllers, scheduler and metrics-server of one cluster, as processes of the host."""

from __future__ import annotations

import json
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from ..paths import GKE_METRICS_PORT, HTTPS_PROXY_URL, METRICS_PORT, ClusterAddresses, authority_dir
from .pki import Authority, KeyPair
from .process import Process
from .rest import KubeRest

# Until what is to be replaced is ended: the API server first answers what it was asked.
_STOP_SECONDS = 20


class ControlPlane:
    """Starts and stops the control plane; everything it writes is below ``folder``.

    ``binaries``: of the metrics server. ``reviewer``: what the API server shows the daemon when it asks whose a token is.
    """

    def __init__(self, folder: Path, addresses: ClusterAddresses, binaries: Path, reviewer: str) -> None:
        self.folder = folder
        self.addresses = addresses
        self._binaries = binaries
        self._reviewer = reviewer
        self.authority = Authority(folder / "pki")
        self._account_keys = self.authority.service_account_keys()
        # Of its own: nobody whom the cluster knows is known to etcd, but the API server.
        self._etcd_authority = Authority(folder / "pki/etcd")
        self.server = f"https://{addresses.api_server}"
        self._admin = self.authority.issue("admin", "admin", organisation="system:masters")
        self.admin_kubeconfig = self.kubeconfig("admin", self._admin)
        self.rest = KubeRest(self.server, str(self.authority.certificate), self._admin)
        self._processes: dict[str, Process] = {}

    def kubeconfig(self, name: str, client: KeyPair) -> Path:
        """A kubeconfig file for a component's certificate."""
        cluster = {"server": self.server, "certificate-authority": str(self.authority.certificate)}
        user = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
        return self._write_kubeconfig(name, cluster, user)

    def _write_kubeconfig(self, name: str, cluster: dict[str, str], user: dict[str, str]) -> Path:
        path = self.folder / "kubeconfig" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": name}}],
            "current-context": "sandbox",
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def start(self, kube: Path, progress: Callable[[str], None]) -> None:
        """Returns when the API server is ready and the controllers run. ``kube``: the program of a release."""
        self._start("etcd", [str(kube), *self._etcd()])
        self._start_api(kube, progress)

    def upgrade(self, kube: Path, progress: Callable[[str], None]) -> None:
        """The same with the program of another release, on the same etcd: the API server is away for some seconds, as that
        of a zonal cluster is meanwhile."""
        progress("stopping controllers and the API server")
        for name in ("kube-scheduler", "kube-controller-manager", "kube-apiserver"):
            self._processes.pop(name).stop(_STOP_SECONDS)
        self._start_api(kube, progress)

    def _start_api(self, kube: Path, progress: Callable[[str], None]) -> None:
        progress("starting the API server")
        api_server = self._start("kube-apiserver", [str(kube), *self._api_server()])
        api_server.wait_until(self.rest.ready, "not ready")
        progress("starting controllers and the scheduler")
        # Started earlier they would end on missing access rules.
        self._start("kube-controller-manager", [str(kube), *self._controller_manager()])
        self._start("kube-scheduler", [str(kube), *self._scheduler()])

    def start_metrics_server(self) -> None:
        self._start(
            "metrics-server",
            [
                str(self._binaries / "metrics-server"),
                *self._serves("metrics-server", METRICS_PORT),
                "--kubelet-preferred-address-types=InternalIP",
                f"--kubelet-certificate-authority={self.authority.certificate}",
                # GKE's interval.
                "--metric-resolution=15s",
            ],
        )

    def start_gke_adapter(self, program: Path) -> None:
        """GKE's managed metrics adapter, which its users see nothing of but the API."""
        self._start(
            "gke-metrics-adapter",
            [
                str(program),
                *self._serves("gke-metrics-adapter", GKE_METRICS_PORT, kubeconfig="lister-kubeconfig"),
            ],
        )

    def stop(self) -> None:
        """Ends what runs; repeatable."""
        while self._processes:
            # At once: what etcd holds goes with its cluster, there is nothing to end in good order.
            self._processes.popitem()[1].kill()

    def _start(self, name: str, command: list[str]) -> Process:
        process = Process(name, command, self.folder / "log" / f"{name}.log")
        self._processes[name] = process
        return process

    def _etcd(self) -> list[str]:
        client = f"https://127.0.0.1:{self.addresses.etcd_port}"
        peer = f"https://127.0.0.1:{self.addresses.etcd_port + 1}"
        ca = self._etcd_authority
        own = ca.issue("etcd", "etcd", addresses=[IPv4Address("127.0.0.1")])
        return [
            "etcd",
            "--name=sandbox",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=sandbox={peer}",
            *(
                option
                for of in ("", "peer-")
                for option in (
                    f"--{of}client-cert-auth",
                    f"--{of}trusted-ca-file={ca.certificate}",
                    f"--{of}cert-file={own.certificate}",
                    f"--{of}key-file={own.key}",
                )
            ),
            "--enable-grpc-gateway=false",
            # Empty would be every origin: https://etcd.io/docs/v3.6/op-guide/configuration/#security
            f"--cors={client}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _api_server(self) -> list[str]:
        ca, own = self.authority, self.addresses.api_server
        names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
        serving = ca.issue(
            "apiserver", "kube-apiserver", names=names, addresses=[own, self.addresses.services[1]]
        )
        kubelet = ca.issue("kubelet-client", "apiserver-kubelet", organisation="system:masters")
        front = ca.issue("front-proxy", "front-proxy")
        etcd = self._etcd_authority
        etcd_client = etcd.issue("apiserver-etcd-client", "kube-apiserver")
        private, public = self._account_keys
        return [
            "kube-apiserver",
            f"--etcd-servers=https://127.0.0.1:{self.addresses.etcd_port}",
            f"--etcd-cafile={etcd.certificate}",
            f"--etcd-certfile={etcd_client.certificate}",
            f"--etcd-keyfile={etcd_client.key}",
            f"--bind-address={own}",
            f"--advertise-address={own}",
            "--secure-port=443",
            f"--service-cluster-ip-range={self.addresses.services}",
            f"--client-ca-file={ca.certificate}",
            f"--tls-cert-file={serving.certificate}",
            f"--tls-private-key-file={serving.key}",
            f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--authentication-token-webhook-config-file={self._webhook()}",
            "--authentication-token-webhook-version=v1",
            "--authentication-token-webhook-cache-ttl=10s",
            f"--kubelet-client-certificate={kubelet.certificate}",
            f"--kubelet-client-key={kubelet.key}",
            f"--kubelet-certificate-authority={ca.certificate}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={ca.certificate}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={front.certificate}",
            f"--proxy-client-key-file={front.key}",
            # There is no kube-proxy on the host: aggregated APIs are reached by their endpoints.
            "--enable-aggregator-routing=true",
            "--allow-privileged=true",
            "--v=1",
        ]

    def _webhook(self) -> Path:
        """Google's bearer tokens are checked by the daemon, which issued them.

        By its HTTPS proxy: over plain HTTP client-go shows no credentials, and says nothing of it.
        """
        cluster = {
            "server": "https://googleapis.com/tokenreview",
            "proxy-url": HTTPS_PROXY_URL,
            "certificate-authority": str(authority_dir() / "ca.crt"),
        }
        return self._write_kubeconfig("token-webhook", cluster, {"token": self._reviewer})

    def _controller_manager(self) -> list[str]:
        ca = self.authority
        client = ca.issue("controller-manager", "system:kube-controller-manager")
        return [
            "kube-controller-manager",
            *self._reaches("controller-manager", client),
            f"--service-account-private-key-file={self._account_keys[0]}",
            f"--root-ca-file={ca.certificate}",
            "--use-service-account-credentials",
            "--allocate-node-cidrs",
            f"--cluster-cidr={self.addresses.pods}",
            "--node-cidr-mask-size=24",
            f"--service-cluster-ip-range={self.addresses.services}",
            f"--cluster-signing-cert-file={ca.certificate}",
            f"--cluster-signing-key-file={ca.key}",
            # Its usual place is a folder of the host, which would be made and left.
            f"--flex-volume-plugin-dir={self.folder / 'volume-plugins'}",
            "--leader-elect=false",
        ]

    def _scheduler(self) -> list[str]:
        client = self.authority.issue("scheduler", "system:kube-scheduler")
        return ["kube-scheduler", *self._reaches("scheduler", client), "--leader-elect=false"]

    def _serves(self, name: str, port: int, kubeconfig: str = "kubeconfig") -> list[str]:
        """How an API beside the API server reaches that, and is reached by it."""
        client = self.authority.issue(name, name, addresses=[self.addresses.api_server])
        return [
            *self._reaches(name, client, kubeconfig),
            f"--secure-port={port}",
            f"--tls-cert-file={client.certificate}",
            f"--tls-private-key-file={client.key}",
        ]

    def _reaches(self, name: str, client: KeyPair, option: str = "kubeconfig") -> list[str]:
        """How a component reaches the API server, by which it also judges who asks it, and where it is asked."""
        kubeconfig = self.kubeconfig(name, client)
        kinds = (option, "authentication-kubeconfig", "authorization-kubeconfig")
        return [*(f"--{kind}={kubeconfig}" for kind in kinds), f"--bind-address={self.addresses.api_server}"]
