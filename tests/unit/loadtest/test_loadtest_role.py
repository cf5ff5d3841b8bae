"""What the role applies to the cluster, rendered by Ansible."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.shapes import plan

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles/loadtest"


def render(folder: Path, **variables: Any) -> list[dict[str, Any]]:
    shape = {"max_steps": 2, "step_time": 10, "step_load": 3, "spawn_rate": 1, "ramp_down": 5}
    prepared = {
        "plan": plan(shape).as_json(), "bodies": [{"file": "body-0", "name": "it's.jpg", "weight": 1.0}],
        "path": "/v1/models/m:predict",
        "config_maps": ["locust-r-payload-0", "locust-r-payload-1"],
    }  # fmt: skip
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(ROLE / "defaults/main.yml")],
        "vars": {
            "role_path": str(ROLE), "loadtest_run": "r", "loadtest_objects": "locust-r",
            "loadtest_load_timeout": "{{ 100 | int }}", "loadtest_prepared": prepared,
        },
        "tasks": [
            {
                "name": "Render",
                "ansible.builtin.template": {
                    "src": str(ROLE / "templates/locust.yml.j2"), "dest": str(folder / "out.yml"), "mode": "0600",
                },
            }
        ],
    }  # fmt: skip
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local",
        "-e", json.dumps({"ansible_python_interpreter": sys.executable, **variables}),
        str(folder / "play.yml"),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout
    return [item for item in yaml.safe_load_all((folder / "out.yml").read_text()) if item]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    made = render(tmp_path_factory.mktemp("role"))
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in made}


def test_the_workers_get_the_code_that_is_tested(objects: dict[str, dict[str, Any]]) -> None:
    data = objects["ConfigMap/locust-r"]["data"]
    for path in (ROLE / "files").glob("*.py"):
        assert data[path.name].strip() == path.read_text().strip()
    for name in ("loadtest/curve.py", "loadtest/histogram.py", "protos.py"):
        path = ROOT / "plugins/module_utils" / name
        assert data[path.name].strip() == path.read_text().strip()
    # The workers have nothing of Ansible: what they import must import nothing of the collection.
    assert not any("from ." in data[name] or "ansible" in data[name] for name in data)


def test_the_settings_are_those_that_the_locustfile_reads(objects: dict[str, dict[str, Any]]) -> None:
    config = json.loads(objects["ConfigMap/locust-r"]["data"]["config.json"])
    used = {
        part.split('"')[0]
        for path in (ROLE / "files").glob("*.py")
        for part in path.read_text().split('CONFIG["')[1:]
    }
    assert used == set(config)
    assert config["path"] == "/v1/models/m:predict"
    assert (config["protocol"], config["workers"]) == ("rest", 2)
    assert config["bodies"][0]["name"] == "it's.jpg"


def test_every_body_is_mounted_beside_the_code(objects: dict[str, dict[str, Any]]) -> None:
    for component in ("master", "worker"):
        spec = objects[f"Job/locust-r-{component}"]["spec"]["template"]["spec"]
        (volume,) = [v for v in spec["volumes"] if v["name"] == "config"]
        names = [source["configMap"]["name"] for source in volume["projected"]["sources"]]
        assert names == ["locust-r", "locust-r-payload-0", "locust-r-payload-1"]


def test_locusts_pods_are_ones_that_the_restricted_standard_admits(
    objects: dict[str, dict[str, Any]],
) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    for component in ("master", "worker"):
        pod = objects[f"Job/locust-r-{component}"]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert "serviceAccountName" not in pod, "the namespace's default, which nobody has granted anything"
        for item in pod["containers"]:
            assert item["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_a_run_that_nobody_removes_ends_and_goes_by_itself(objects: dict[str, dict[str, Any]]) -> None:
    for component in ("master", "worker"):
        spec = objects[f"Job/locust-r-{component}"]["spec"]
        assert spec["activeDeadlineSeconds"] == 180 + 100 + 1500 + 600
        assert spec["ttlSecondsAfterFinished"] > 0


def test_everything_carries_the_labels_by_which_it_is_swept(objects: dict[str, dict[str, Any]]) -> None:
    for item in objects.values():
        labels = item["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "locust"
        assert labels["app.kubernetes.io/part-of"] == "mlops-tfserving"
        assert labels["mlops.tfserving/run"] == "r"


def test_grpc_reaches_the_workers(tmp_path: Path) -> None:
    made = render(tmp_path, loadtest_protocol="grpc")
    config = json.loads(made[0]["data"]["config.json"])
    assert config["protocol"] == "grpc"
    assert config["grpc_method"] == "/tensorflow.serving.PredictionService/Predict"
    assert config["grpc_host"] == "image-classifier.tfserving.svc.cluster.local:8500"


def test_the_servers_name_ends_with_the_clusters_domain(tmp_path: Path) -> None:
    made = render(tmp_path, serving_cluster_domain="models.example")
    assert json.loads(made[0]["data"]["config.json"])["grpc_host"].endswith(
        ".tfserving.svc.models.example:8500"
    )
    (worker,) = [one for one in made if one["metadata"]["name"] == "locust-r-worker" and one["kind"] == "Job"]
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    assert "--host=http://image-classifier.tfserving.svc.models.example:8501" in container["args"]


def test_a_locustfile_of_ones_own_comes_along(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("class Mine: pass  # {{ no template }}\n")
    made = render(tmp_path, loadtest_locustfile=str(tmp_path / "mine.py"))
    assert made[0]["data"]["own_locustfile.py"].strip() == "class Mine: pass  # {{ no template }}"
    assert json.loads(made[0]["data"]["config.json"])["own"] is True


def test_a_value_with_a_line_break_stays_a_value(tmp_path: Path) -> None:
    """And brings no command into the container."""
    odd = "1\n          command: [sh, -c, id]\n          x: \"{'y"
    texts = ("namespace", "image", "image_pull_policy", "master_cpu", "worker_cpu", "memory")
    made = render(tmp_path, **{f"loadtest_{name}": f"{name} {odd}" for name in texts})
    assert {item["metadata"]["namespace"] for item in made} == {f"namespace {odd}"}
    pods = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"] for item in made if item["kind"] == "Job"
    }
    for component in ("master", "worker"):
        (container,) = pods[f"locust-r-{component}"]["containers"]
        assert not {"command", "x"} & set(container)
        assert container["image"] == f"image {odd}"
        assert container["imagePullPolicy"] == f"image_pull_policy {odd}"
        assert container["resources"] == {
            "requests": {"cpu": f"{component}_cpu {odd}", "memory": f"memory {odd}"}
        }
