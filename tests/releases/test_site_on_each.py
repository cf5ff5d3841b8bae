"""The demo's site and its load test on every release of Kubernetes that the sandbox offers, each in a cluster of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.runtime import TF_SERVING

from sandbox.releases import RELEASES
from tests.drills.drill import KUBECONFIG, Cluster
from tests.integration.conftest import ROOT, daemon_log, leftovers, playbook, report, sandbox


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> Iterator[str]:
    """A sandbox without any cluster, with this release compiled."""
    sandbox("build", request.param, timeout=3600).ok()
    sandbox("down", "--purge").ok()
    sandbox("up", timeout=3600).ok()
    yield request.param
    sandbox("down", "--purge").ok()
    assert leftovers() == []


def test_the_site_and_its_load_test(release: str) -> None:
    minor = release.rpartition(".")[0]
    site = ("site.yml", "-e", f"cluster_version={minor}")
    done = playbook(*site, "-e", "loadtest_enabled=true", timeout=1800)
    assert done.code == 0, f"{done.output[-6000:]}\n{daemon_log()}"
    api = KubeClient(str(KUBECONFIG))
    assert api.get("/version")["gitVersion"] == f"v{release}"
    nodes = api.get("/api/v1/nodes")["items"]
    assert {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes} == {f"v{release}"}
    assert report()["verdict"] == "pass", report()["checks"]
    assert playbook(*site).ok().changed == 0
    assert (ROOT / "reports/latest/report.html").exists()
    images_by_digest(Cluster(KUBECONFIG, "tfserving"))


def images_by_digest(site: Cluster) -> None:
    """The images that run, by the digests that the cluster itself shows, are rolled out as well."""
    (pod, *_others) = site.ready("image-classifier")
    found = {one["name"]: one["imageID"] for one in pod["status"]["containerStatuses"]}
    variables = {"serving_image": TF_SERVING.container, "serving_proxy_image": "proxy"}
    digests = {name: found[container] for name, container in variables.items()}
    assert all("@sha256:" in image for image in digests.values()), found
    chosen = [word for name, image in digests.items() for word in ("-e", f"{name}={image}")]
    assert playbook("playbooks/serving.yml", *chosen).ok().changed > 0
    assert playbook("playbooks/serving.yml", *chosen).ok().changed == 0
    for pod in site.ready("image-classifier"):
        asked = {one["name"]: one["image"] for one in pod["spec"]["containers"]}
        assert {name: asked[container] for name, container in variables.items()} == digests
