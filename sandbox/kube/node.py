"""One node: a network namespace with its own containerd, kubelet and kube-proxy, shaped by a machine type."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from plugins.module_utils.gke.machine import MachineShape

from .. import made
from ..paths import authority_dir
from . import cgroup, mounts, network
from .controlplane import ControlPlane
from .process import DidNotStart, Process, run
from .rest import Json, KubeError

PAUSE_IMAGE = "sandbox.local/pause:3"
_CNI_PLUGINS = "/usr/lib/cni"
# Where the kubelet, containerd, runc and CNI keep things on a machine, some of it whatever their settings are.
# In a node's mount namespace these are folders of the node, so that nodes neither meet there nor leave
# anything; and sockets have short paths, as they must (unix(7): 107 bytes).
HOST_FOLDERS = (
    "/run/containerd",
    "/run/netns",
    "/var/lib/cni",
    "/var/lib/kubelet",
    "/var/log/containers",
    "/var/log/pods",
)
_CONTAINERD = "/run/containerd/containerd.sock"
_KUBELET_STARTS = 40
_TOO_EARLY = "server is not initialized yet"
_KUBELET = "/var/lib/kubelet"
_SPEC = "container.json"
_TRUSTED = "/etc/ssl/certs/ca-certificates.crt"
_READY_SECONDS = 90
# The kubelet's hard eviction threshold; GKE's reservation formulas count it.
_EVICTION_MIB = 100


@dataclass(frozen=True)
class Taint:
    """A node's taint; ``effect`` is NoSchedule, PreferNoSchedule or NoExecute."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}"


@dataclass(frozen=True)
class NodeSpec:
    """What a node is to be. ``version``: of Kubernetes, as GKE spells it. ``zone``: empty where its cluster is in one zone only."""

    name: str
    pool: str
    shape: MachineShape
    version: str
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    zone: str = ""


# The cluster's other nodes at the moment of asking.
Neighbours = Callable[[], "list[Node]"]


class Node:
    """Starts, registers and removes one node.

    ``number``: its place in the cluster's addresses. ``kube``: the program of its release.
    """

    def __init__(
        self,
        spec: NodeSpec,
        number: int,
        plane: ControlPlane,
        *,
        kube: Path,
        images: Path,
        project: str,
        location: str,
    ) -> None:
        self.spec = spec
        self.number = number
        self.address: IPv4Address = plane.addresses.node(number)
        self.pods: IPv4Network | None = None
        self._plane = plane
        self._kube = str(kube)
        self._images = images
        self._project = project
        self._location = location
        self._folder = plane.folder / "nodes" / str(number)
        # Kernel names are short: the cluster's and the node's number are enough to be unique.
        self.namespace = f"sbx-{plane.addresses.index}-{number}"
        self._link = f"sbx{plane.addresses.index}n{number}"
        self._processes: list[Process] = []
        self._kubelet_command: list[str] = []
        self._busy = threading.Lock()
        self._unwanted = threading.Event()
        # From being Ready until it is to go.
        self.joined = False

    def start(self, neighbours: Neighbours) -> None:
        """Returns when the node is Ready; on failure nothing of it is left.

        Raises ``RuntimeError`` for what somebody else has under its names, which stays.
        """
        with self._busy:
            network.claim_namespace(self.namespace, self._link)
            cgroup.claim(self.namespace)
            try:
                self._start(neighbours)
                self.joined = True
            except BaseException:
                self._clean(neighbours)
                raise

    def remove(self, neighbours: Neighbours) -> None:
        """Removes the node and everything it left on the host; callers have drained it.

        A start that is under way in another thread is given up first.
        """
        self._unwanted.set()
        with self._busy:
            self.joined = False
            self._clean(neighbours)

    def _start(self, neighbours: Neighbours) -> None:
        self._folder.mkdir(parents=True)
        copy_images(self._images, self._folder / "containerd")
        network.add_namespace(self.namespace, self._link, self.address)
        cgroup.create(self.namespace)
        containerd = self._start_containerd()
        self._start_kubelet(containerd.pid)
        self._start_proxy(containerd.pid)
        path = f"/api/v1/nodes/{self.spec.name}"
        kubelet = self._joined(path)
        if self.pods is None:
            raise DidNotStart(f"node {self.spec.name} got no range of pod addresses")
        # Of two nodes that start side by side, the one that comes here last sees the other's range.
        others = neighbours()
        network.add_route(self.pods, self.address, [node.namespace for node in others])
        for node in others:
            if node.pods is not None:
                network.add_route(node.pods, node.address, [self.namespace])
        self._configure_pod_network()
        self._await(kubelet, lambda: _is_ready(self._get(path)), "not Ready")

    def _joined(self, path: str) -> Process:
        """The kubelet, once the node is in the cluster.

        One that comes before containerd's CRI service, which follows the socket, ends, and is started again, as systemd does.
        """
        for _unused in range(_KUBELET_STARTS):
            kubelet = self._processes[1]
            try:
                self._await(kubelet, lambda: self._pod_range(path), "no pod address range")
            except DidNotStart:
                if _TOO_EARLY not in kubelet.last_words(1):
                    raise
            else:
                return kubelet
            time.sleep(0.5)
            self._processes[1] = Process(kubelet.name, self._kubelet_command, kubelet.log)
        raise DidNotStart(
            f"node {self.spec.name}: containerd's CRI service does not come:\n{kubelet.last_words()}"
        )

    def _await(self, process: Process, ready: Callable[[], bool], what: str) -> None:
        def wanted_and_ready() -> bool:
            if self._unwanted.is_set():
                raise DidNotStart(f"node {self.spec.name} was removed while it started")
            return ready()

        process.wait_until(wanted_and_ready, what, _READY_SECONDS)

    def _clean(self, neighbours: Neighbours) -> None:
        """Every step is taken, whatever became of those before; the last failure is raised. Repeatable."""
        steps: list[Callable[[], object]] = [
            self._unregister,
            # First who would start containers anew, then the containers, then who is their parent.
            *(process.kill for process in self._processes[1:]),
            lambda: cgroup.remove(self.namespace),
            lambda: network.end_processes(self.namespace),
            *(process.kill for process in self._processes[:1]),
            lambda: cgroup.remove(self.namespace),
            lambda: mounts.unmount(self._folder),
            lambda: self._unroute(neighbours),
            lambda: network.remove_namespace(self.namespace, self._link),
            lambda: made.release("cgroup", self.namespace),
            lambda: shutil.rmtree(self._folder, ignore_errors=True),
            self._processes.clear,
        ]
        with contextlib.ExitStack() as stack:
            for step in reversed(steps):
                stack.callback(step)

    def _unregister(self) -> None:
        # It may not be registered, and the API server may be gone with its cluster.
        with contextlib.suppress(KubeError, OSError):
            self._plane.rest.request("DELETE", f"/api/v1/nodes/{self.spec.name}")

    def _unroute(self, neighbours: Neighbours) -> None:
        if self.pods is not None:
            network.remove_route(self.pods, self.address, [node.namespace for node in neighbours()])
            self.pods = None

    def _get(self, path: str) -> Json:
        try:
            return self._plane.rest.get(path)
        except (KubeError, OSError):
            return {}

    def _pod_range(self, path: str) -> bool:
        text = self._get(path).get("spec", {}).get("podCIDR")
        if text:
            self.pods = IPv4Network(text)
        return bool(text)

    def _spawn(self, name: str, command: list[str]) -> Process:
        process = Process(f"{name} of {self.spec.name}", command, self._log(name))
        self._processes.append(process)
        return process

    def _log(self, name: str) -> Path:
        return self._plane.folder / "log" / f"{self.spec.name}.{name}.log"

    def _start_containerd(self) -> Process:
        folder = self._folder
        (folder / "cni").mkdir()
        (folder / _SPEC).write_text(
            json.dumps(container_spec(json.loads(run("ctr", "oci", "spec")), authority_dir() / "ca.crt"))
        )
        config = folder / "containerd.toml"
        config.write_text(containerd_config(folder))
        script = f"{mount_script(folder / 'host')} && exec containerd --config {shlex.quote(str(config))}"
        # Not `ip netns exec`: it mounts /sys anew and hides the cgroups.
        process = self._spawn(
            "containerd",
            ["nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "-m", "sh", "-c", script],
        )
        # The socket where it lies on the host, which may have a containerd of its own at the usual path.
        self._await(process, Path(f"{folder}/host{_CONTAINERD}").exists, "no socket")
        return process

    def _start_kubelet(self, containerd: int) -> None:
        name, folder = self.spec.name, self._folder
        client = self._plane.authority.issue(
            f"node-{self.number}-{name}", f"system:node:{name}", organisation="system:nodes",
            names=[name], addresses=[self.address],
        )  # fmt: skip
        resolv = folder / "resolv.conf"
        resolv.write_text("nameserver 127.0.0.1\n")
        config = folder / "kubelet.json"
        config.write_text(
            json.dumps(
                kubelet_config(
                    self.spec.shape,
                    authority=str(self._plane.authority.certificate),
                    certificate=str(client.certificate),
                    key=str(client.key),
                    cgroup_root=f"/{self.namespace}",
                    socket=_CONTAINERD,
                    dns=str(self._plane.addresses.dns),
                    resolv=str(resolv),
                    host_cpu_milli=(os.cpu_count() or 1) * 1000,
                    host_memory_mib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
                    provider=f"gce://{self._project}/{self.spec.zone or self._location}/{name}",
                )
            )
        )
        command = [
            "nsenter", "-t", str(containerd), "--net", "--mount",
            self._kube, "kubelet",
            f"--config={config}",
            f"--kubeconfig={self._plane.kubeconfig(name, client)}",
            f"--hostname-override={name}",
            f"--node-ip={self.address}",
            f"--root-dir={_KUBELET}",
            f"--cert-dir={_KUBELET}/pki",
            f"--node-labels={','.join(f'{k}={v}' for k, v in self._labels().items())}",
        ]  # fmt: skip
        if self.spec.taints:
            command.append(f"--register-with-taints={','.join(map(str, self.spec.taints))}")
        self._kubelet_command = command
        self._spawn("kubelet", command)

    def _labels(self) -> dict[str, str]:
        """The labels GKE gives a node that a kubelet may set itself."""
        region = "-".join(self._location.split("-")[:2])
        return {
            **self.spec.labels,
            "cloud.google.com/gke-nodepool": self.spec.pool,
            "node.kubernetes.io/instance-type": self.spec.shape.name,
            "topology.kubernetes.io/region": region,
            "topology.kubernetes.io/zone": self.spec.zone or self._location,
        }

    def _start_proxy(self, containerd: int) -> None:
        plane = self._plane
        client = plane.authority.issue(f"proxy-{self.number}", "system:kube-proxy")
        command = [
            "nsenter", "-t", str(containerd), "--net", "--mount",
            self._kube, "kube-proxy",
            f"--kubeconfig={plane.kubeconfig(f'proxy-{self.number}', client)}",
            "--proxy-mode=iptables",
            f"--cluster-cidr={plane.addresses.pods}",
            f"--hostname-override={self.spec.name}",
            # Host-wide limits can't be set from within a namespace.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
            # Asked by load balancers: it says no once the node is to go.
            "--healthz-bind-address=0.0.0.0:10256",
        ]  # fmt: skip
        self._spawn("kube-proxy", command)

    def _configure_pod_network(self) -> None:
        target = self._folder / "cni" / "10-pods.conflist"
        draft = target.with_suffix(".tmp")
        draft.write_text(json.dumps(cni_config(str(self.pods), str(self._folder / "cni-ipam"))))
        draft.rename(target)


def mount_script(folder: Path) -> str:
    """Shell commands that put folders below ``folder`` in the place of ``HOST_FOLDERS``.

    They run in a mount namespace of the node's own, which keeps all its mounts off the host.
    """
    commands = ["mount --make-rprivate /"]
    for path in HOST_FOLDERS:
        own = shlex.quote(f"{folder}{path}")
        commands.append(f"mkdir -p {own} {path} && mount --bind {own} {path}")
    return " && ".join(commands)


def container_spec(default: Json, authority: Path) -> Json:
    """What every container begins with: containerd's own, and the sandbox's authority as the one to trust.

    Where Debian, and most images after it, have the authorities that their programs trust. There is no other world here.
    Without the limit of 1,024 files that ``ctr`` writes down: pods of a kubelet do not have it, and proxies need more.
    """
    process = {name: value for name, value in default["process"].items() if name != "rlimits"}
    mount = {
        "destination": _TRUSTED, "type": "bind", "source": str(authority), "options": ["bind", "ro"],
    }  # fmt: skip
    return {**default, "process": process, "mounts": [*default["mounts"], mount]}


def containerd_config(folder: Path) -> str:
    """containerd's configuration for a node whose files are below ``folder``."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{folder}/containerd"
state = "{folder}/run"
[grpc]
address = "{_CONTAINERD}"
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
disable_hugetlb_controller = true
# Without CAP_SYS_RESOURCE runc can't lower oom_score_adj and no pod would start.
restrict_oom_score_adj = true
[{cri}.cni]
bin_dir = "{_CNI_PLUGINS}"
conf_dir = "{folder}/cni"
[{cri}.containerd]
snapshotter = "overlayfs"
[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
base_runtime_spec = "{folder}/{_SPEC}"
[{cri}.containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def kubelet_config(
    shape: MachineShape,
    *,
    authority: str,
    certificate: str,
    key: str,
    cgroup_root: str,
    socket: str,
    dns: str,
    resolv: str,
    host_cpu_milli: int,
    host_memory_mib: int,
    provider: str,
) -> Json:
    """The kubelet's configuration; what the host has beyond the machine type is reserved away."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": authority},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": certificate,
        "tlsPrivateKeyFile": key,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup_root,
        "containerRuntimeEndpoint": f"unix://{socket}",
        "clusterDNS": [dns],
        "clusterDomain": "cluster.local",
        "resolvConf": resolv,
        "providerID": provider,
        "failSwapOn": False,
        # Kubernetes 1.35 and later refuse hosts with cgroups of version 1, unless told not to.
        "failCgroupV1": False,
        "systemReserved": {
            "cpu": f"{max(0, host_cpu_milli - shape.allocatable_cpu_milli)}m",
            "memory": f"{max(0, host_memory_mib - shape.allocatable_memory_mib - _EVICTION_MIB)}Mi",
        },
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {
            "memory.available": f"{_EVICTION_MIB}Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
        # Images come with the node: none of them may be collected as garbage.
        "imageGCHighThresholdPercent": 100,
        "maxPods": 110,
        "serializeImagePulls": False,
        "volumePluginDir": f"{_KUBELET}/volume-plugins",
        "nodeStatusUpdateFrequency": "10s",
    }


def cni_config(pods: str, state: str) -> Json:
    """Pods of a node get addresses of its range and reach everything through the node."""
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "mtu": 1500,
                "ipam": {
                    "type": "host-local",
                    "dataDir": state,
                    "ranges": [[{"subnet": pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def copy_images(template: Path, target: Path) -> None:
    """A containerd root with the template's images: hard links where the file system allows, for speed.

    Layers are never written to (overlayfs copies up); containerd's databases are, so they become copies.
    """
    try:
        run("cp", "-al", str(template), str(target))
    except RuntimeError:
        # Another file system, or one without hard links.
        shutil.rmtree(target, ignore_errors=True)
        run("cp", "-a", str(template), str(target))
        return
    for database in target.glob("**/*.db"):
        database.unlink()
        shutil.copy2(template / database.relative_to(target), database)


def _is_ready(node: Json) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
