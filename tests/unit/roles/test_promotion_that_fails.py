"""What is said of the canary when its promotion fails after it was compared with what runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from kube_in_memory import KubeInMemory

ROOT = Path(__file__).resolve().parents[3]
SERVING = ROOT / "roles/serving"
NOTHING = [{"ansible.builtin.meta": "noop"}]
FAILS = [{"ansible.builtin.fail": {"msg": "The Deployment has its former pods back."}}]


def test_the_canary_that_stays_is_told(tmp_path: Path) -> None:
    role = tmp_path / "roles/serving"
    (role / "tasks").mkdir(parents=True)
    (role / "vars").mkdir()
    (role / "tasks/canary_promote.yml").symlink_to(SERVING / "tasks/canary_promote.yml")
    for name, tasks in {
        "read": NOTHING,
        "compare": NOTHING,
        "canary_withdraw": NOTHING,
        "main": FAILS,
    }.items():
        (role / f"tasks/{name}.yml").write_text(yaml.safe_dump(tasks))
    real = yaml.safe_load((SERVING / "vars/main.yml").read_text())
    given = {
        "serving_failure": real["serving_failure"], "serving_namespace": "tfserving", "serving_name": "m",
        "serving_canary": {"metadata": {}}, "serving_canary_uri": "gs://b/m/4", "serving_canary_name": "m-canary",
    }  # fmt: skip
    (role / "vars/main.yml").write_text(yaml.safe_dump(given))
    play = {
        "hosts": "localhost", "gather_facts": False, "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [{"ansible.builtin.include_role": {"name": "serving", "tasks_from": "canary_promote.yml"}}],
    }  # fmt: skip
    kube = KubeInMemory()
    kube.put("/api/v1/namespaces/tfserving")
    with kube.served(tmp_path) as kubeconfig:
        play["module_defaults"] = {"group/mlops.tfserving.k8s": {"kubeconfig": str(kubeconfig)}}
        (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")],
            cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1",
                 "ANSIBLE_ROLES_PATH": str(tmp_path / "roles"), "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default"},
        )  # fmt: skip
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2, said
    assert (
        "gs://b/m/4 was not promoted. The Deployment has its former pods back. The canary keeps its share"
        in said
    ), said
    assert "canary_action=withdraw" in said
