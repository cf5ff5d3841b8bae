"""The whole life cycle on the sandbox, in the order in which a user meets it.

The tests build on each other, since what they share is the machine itself: an empty sandbox, the site with its load test, what it left, changes that change nothing, teardown, a crash.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path

import grpc
import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.client import KubeClient
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError

from tests.docs.rules import sandbox_commands
from tests.drills.client import field
from tests.drills.drill import KUBECONFIG
from tests.leaks import leaks, secrets_of, tokens_in
from tests.loadtest import published
from tests.loadtest.agreement import of_run

from .accounts import kubeconfig_of
from .conftest import (
    ROOT,
    STATE,
    daemon_log,
    leftovers,
    playbook,
    report,
    run,
    runnable,
    sandbox,
    sandbox_processes,
    wait_for,
)
from .listening import ASKED, OPEN, listeners

COFFEE = ROOT / "roles/loadtest/files/coffee.jpg"


def test_the_sandbox_comes_up_and_says_so() -> None:
    assert "http://198.18.0.1:8600" in sandbox("up").ok().output
    assert sandbox("up").ok().seconds < 60, "a second `up` has nothing to do"
    assert sandbox("status").ok()


def test_check_mode_on_an_empty_project_says_what_it_would_create() -> None:
    output = playbook("site.yml", "--check", "--diff").ok().output
    assert re.search(r"would create", output, re.IGNORECASE)
    with urllib.request.urlopen("http://198.18.0.1:8600/healthz", timeout=5) as answer:
        assert answer.status == 200
    assert "cluster-1" not in sandbox("status").ok().output, "check mode must create nothing"


def test_the_site_with_its_load_test() -> None:
    output = playbook("site.yml", "-vv", "-e", "loadtest_enabled=true", timeout=1500).ok().output
    for name in ("report.json", "report.html", "timeline.png", "timeline.jsonl", "junit.xml"):
        assert (ROOT / "reports/latest" / name).stat().st_size > 0
    assert (ROOT / "reports/latest/timeline.png").read_bytes().startswith(b"\x89PNG")
    secrets = secrets_of(STATE / "service-account.json") + tokens_in(KUBECONFIG)
    assert leaks(secrets, output, [(ROOT / "reports/latest").resolve()]) == []


def test_the_report_shows_pods_and_nodes_scaling_out_and_back_in() -> None:
    result = report()
    scaling, requests = result["scaling"], result["requests"]
    assert result["verdict"] == "pass", result["checks"]
    assert (scaling["replicas_min"], scaling["replicas_end"]) == (1, 1)
    assert scaling["replicas_max"] >= 3
    assert (scaling["nodes_min"], scaling["nodes_end"]) == (1, 1)
    assert scaling["nodes_max"] >= 2
    assert requests["total"] >= 1000
    assert requests["failed_steady"] == 0
    assert result["generator"]["workers_seen"] == result["generator"]["workers_expected"] >= 2
    outward = [reaction for reaction in scaling["reactions"] if reaction["direction"] == "out"]
    assert outward
    assert all(reaction["phases"] for reaction in outward)


def test_the_report_agrees_with_its_own_timeline() -> None:
    """Counted again from the raw events, without the collection's code."""
    events = [json.loads(line) for line in (ROOT / "reports/latest/timeline.jsonl").read_text().splitlines()]
    loads = [event for event in events if event["kind"] == "load"]
    assert max(event["requests"] for event in loads) == report()["requests"]["total"]
    nodes = {event["name"] for event in events if event["kind"] == "node"}
    assert len(nodes) >= report()["scaling"]["nodes_max"]


def test_timeline_and_report_are_as_published() -> None:
    assert published.of_run(ROOT / "reports/latest") == []


def test_the_reactions_agree_with_what_the_cluster_said_of_itself() -> None:
    """Events of scheduler, kubelets and autoscalers, which the report does not take its phases from."""
    found = of_run(ROOT / "reports/latest")
    assert len(found) >= 4
    assert [one for one in found if not one.agrees] == []


def test_nobody_gets_anything_without_credentials_where_the_sandbox_listens() -> None:
    found = listeners(sandbox_processes())
    assert {one.kind for one in found} - {"free"} == ASKED.keys() | OPEN
    assert [
        (one, status)
        for one in found
        if one.kind in ASKED and (status := one.status()) not in ASKED[one.kind][2]
    ] == []


def test_the_address_that_status_prints_knows_an_espresso() -> None:
    output = playbook("playbooks/status.yml").ok().output
    url = re.search(r"http://198\.19\.[0-9.]+:8501/v1/models/image_classifier:predict", output)
    assert url, output
    body = json.dumps(
        {
            "signature_name": "serving_preprocess",
            "instances": [{"b64": base64.b64encode(COFFEE.read_bytes()).decode()}],
        }
    )
    command = ["curl", "-sS", "--fail-with-body", "-m", "30", "-d", "@-", url.group()]
    answer = subprocess.run(command, input=body, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"{answer.stderr}{answer.stdout}\n{daemon_log()}"
    prediction = json.loads(answer.stdout)["predictions"][0]
    assert prediction["labels"][0] == "espresso"
    assert prediction["probabilities"][0] > 0.9


def test_the_same_address_answers_by_grpc() -> None:
    output = playbook("playbooks/status.yml").ok().output
    address = re.search(r"http://(198\.19\.[0-9.]+):8501/", output)
    assert address, output
    picture = COFFEE.read_bytes()
    # tensorflow.serving.PredictRequest: model_spec {name, signature_name}, inputs["raw_images"] = string [1]
    tensor = b"\x08\x07" + field(2, field(2, b"\x08\x01")) + field(8, picture)
    spec = field(1, b"image_classifier") + field(3, b"serving_preprocess")
    request = field(1, spec) + field(2, field(1, b"raw_images") + field(2, tensor))
    with grpc.insecure_channel(f"{address[1]}:8500") as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        answer = predict(request, timeout=30)
    assert b"espresso" in answer


def test_a_second_run_changes_nothing() -> None:
    assert playbook("site.yml").ok().changed == 0


def test_check_mode_on_the_converged_state_finds_no_change() -> None:
    assert playbook("site.yml", "--check", "--diff").ok().changed == 0


@pytest.mark.parametrize("part", ["cluster", "storage", "serving", "autoscaling"])
def test_each_part_runs_alone_and_changes_nothing(part: str) -> None:
    assert playbook(f"playbooks/{part}.yml").ok().changed == 0


@pytest.mark.parametrize("script", runnable(sandbox_commands()))
def test_what_the_documentation_tells_to_type(script: str) -> None:
    address = re.search(r"198\.19\.[0-9.]+(?=:8501)", playbook("playbooks/status.yml").ok().output)
    assert address
    path = f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"
    try:
        done = run("env", f"PATH={path}", "bash", "-c", script.replace("198.19.240.10", address[0])).ok()
        assert '"error"' not in done.output
    finally:
        shutil.rmtree(ROOT / "golden", ignore_errors=True)
        forget = 'curl -s -X DELETE -H "Authorization: Bearer $(cat $CLOUDSDK_AUTH_ACCESS_TOKEN_FILE)"'
        faults = f'eval "$(python -m sandbox env)"; {forget} $GKE_API_ENDPOINT/sandbox/faults'
        run("env", f"PATH={path}", "bash", "-c", faults).ok()


def test_the_documented_roles_suffice_in_the_cluster(tmp_path: Path) -> None:
    """An operator looks, promotes and tests the load, a deployer converges, and neither reads a secret."""
    accounts = {role: kubeconfig_of(role, KUBECONFIG, tmp_path) for role in ("operator", "deployer")}
    operator, deployer = (("-e", f"cluster_existing_kubeconfig={path}") for path in accounts.values())
    playbook("playbooks/status.yml", *operator).ok()
    playbook("playbooks/promote.yml", *operator).ok()
    short = {
        "loadtest_shape": {"kind": "constant", "level": 2, "duration": 10},
        "loadtest_slo": ["requests >= 5"],
        "loadtest_settle_timeout": 20,
        "loadtest_reports_dir": str(tmp_path),
    }
    tested = playbook("playbooks/loadtest.yml", *operator, "-e", json.dumps(short))
    # That there is a verdict is what rights decide. On a busy machine it may be that the run proves nothing.
    assert tested.code == 0 or "The run proves nothing" in tested.output, tested.output
    for part in ("serving", "autoscaling"):
        assert playbook(f"playbooks/{part}.yml", *deployer).ok().changed == 0
    for path in accounts.values():
        with pytest.raises(KubeError, match="forbidden"):
            KubeClient(str(path)).get("/api/v1/namespaces/kube-system/secrets")


def test_a_version_that_is_damaged_in_the_bucket_is_refused_and_the_old_pods_keep_serving(
    tmp_path: Path,
) -> None:
    source = tmp_path / "model"
    shutil.copytree((STATE / "model").resolve(), source)
    note = b"A note that makes this version another one: " + os.urandom(16).hex().encode()
    (source / "assets.extra/note.txt").write_bytes(note)
    playbook("playbooks/storage.yml", "-e", f"storage_model_source={source}").ok()
    stored = [path for path in (STATE / "gcs").rglob("*") if path.is_file() and path.read_bytes() == note]
    assert len(stored) == 1, "the object's content lies in one file"
    stored[0].write_bytes(bytes([note[0] ^ 1]) + note[1:])
    refused = playbook("playbooks/promote.yml")
    assert refused.code != 0
    assert "assets.extra/note.txt is not what the manifest says" in refused.output
    assert "what runs is untouched" in refused.output
    status = playbook("playbooks/status.yml").ok().output
    assert re.search(r"pod +image-classifier-\S+: version 1, ready", status), status
    assert "version 2" not in status
    test_the_address_that_status_prints_knows_an_espresso()


def test_a_project_is_prepared_by_the_unmodified_google_cloud_collection() -> None:
    prepared = playbook("playbooks/cluster.yml", "-e", "cluster_bootstrap=true").ok()
    assert prepared.changed > 0
    assert playbook("playbooks/cluster.yml", "-e", "cluster_bootstrap=true").ok().changed == 0


def test_teardown_removes_cluster_and_bucket_and_can_be_repeated() -> None:
    assert playbook("playbooks/teardown.yml").ok().changed > 0
    assert "cluster-1" not in sandbox("status").ok().output
    assert not [pid for pid in sandbox_processes() if "kube-apiserver" in _command(pid)]
    assert not list((STATE / "gcs").glob("**/saved_model.pb*")), "the bucket's objects are gone"
    receipt = json.loads(next((ROOT / "reports").glob("teardown-cluster-1-*/receipt.json")).read_text())
    assert any(gone.startswith("cluster cluster-1 ") for gone in receipt["gone"])
    assert {one["kind"] for one in receipt["left"]} <= {"service-account"}, receipt["left"]
    assert playbook("playbooks/teardown.yml").ok().changed == 0


def test_up_works_after_kill_9_of_everything_and_down_leaves_nothing() -> None:
    playbook("playbooks/cluster.yml").ok()
    assert any("kubelet" in _command(pid) for pid in sandbox_processes())
    for pid in sandbox_processes():
        _kill(pid)
    wait_for(
        lambda: not [p for p in sandbox_processes() if "kube" in _command(p)], 30, "everything is killed"
    )
    sandbox("up").ok()
    playbook("playbooks/cluster.yml").ok()
    sandbox("down").ok()
    assert leftovers() == []


def test_without_root_one_line_names_the_way_out() -> None:
    # The script comes by standard input: another user need not be able to read this checkout.
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-"],
        input=(ROOT / "sandbox/host_check.py").read_text(),
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: the sandbox needs root")
    assert "inventories/existing" in lines[0]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
