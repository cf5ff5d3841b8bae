"""The cluster role as a playbook runs it, against Google's emulated APIs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from emulator import PROJECT, ZONE, Emulator
from played import HEAD, play, run
from starlette.testclient import TestClient

SWITCHES = {
    "cluster_private_nodes": "networkConfig.defaultEnablePrivateNodes",
    "cluster_image_streaming": "nodePoolDefaults.nodeConfigDefaults.gcfsConfig.enabled",
    "cluster_vertical_pod_autoscaling": "verticalPodAutoscaling.enabled",
    "cluster_cost_management": "costManagementConfig.enabled",
}
"""Variables that are unset, true or false, and where Google shows them."""


@pytest.mark.parametrize("off", [False, "false"], ids=["yaml", "text"])
def test_false_turns_off_what_was_on(
    emulator: Emulator, url: str, http: TestClient, tmp_path: Path, off: object
) -> None:
    environment = {
        "GCP_PROJECT": PROJECT,
        "GCP_AUTH_KIND": "accesstoken",
        "GCP_ACCESS_TOKEN": emulator.token,
    }

    def run(**switches: object) -> dict[str, Any]:
        role = {
            "role": "mlops.tfserving.cluster", "cluster_name": "c", "cluster_location": ZONE,
            "cluster_api_endpoint": url, "cluster_kubeconfig_path": str(tmp_path / "kubeconfig"), **switches,
        }  # fmt: skip
        return HEAD | {"roles": [role]}

    def shown() -> set[str]:
        """The switches that Google shows as on."""
        cluster = http.get(f"/v1/projects/{PROJECT}/locations/{ZONE}/clusters/c").json()
        return {name for name, path in SWITCHES.items() if _at(cluster, path)}

    play(tmp_path, [run(**dict.fromkeys(SWITCHES, True))], environment)
    assert shown() == set(SWITCHES)
    assert play(tmp_path, [run()], environment)["changed"] == 0
    assert shown() == set(SWITCHES), "unset leaves it as it is"
    turned_off = run(**dict.fromkeys(SWITCHES, off))
    assert play(tmp_path, [turned_off, turned_off], environment)["changed"] == 1, "and nothing again"
    assert shown() == set()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("cluster_context=two", "cluster_context is two by an extra variable"),
        ("cluster_kubeconfig=/elsewhere", "cluster_kubeconfig is /elsewhere by an extra variable"),
        ("cluster_existing_context=two", ""),
    ],
)
def test_an_extra_variable_leads_to_no_other_cluster(tmp_path: Path, given: str, words: str) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    contexts = [{"name": name, "context": {"cluster": name, "user": "u"}} for name in ("one", "two")]
    kubeconfig.write_text(yaml.safe_dump({"current-context": "one", "contexts": contexts}))
    role = {"name": "mlops.tfserving.cluster", "tasks_from": "connect.yml"}
    asked = {"cluster_existing_kubeconfig": str(kubeconfig)}
    tasks = [{"ansible.builtin.include_role": role, "vars": asked}]
    code, output, _unused = run(tmp_path, [HEAD | {"tasks": tasks}], {}, "-e", given)
    said = " ".join(output.split())
    assert (code == 2) is bool(words), said
    assert words in said and ("give cluster_existing_kubeconfig" in said) is bool(words)


def _at(resource: Any, path: str) -> Any:
    for key in path.split("."):
        resource = resource.get(key, {})
    return resource
