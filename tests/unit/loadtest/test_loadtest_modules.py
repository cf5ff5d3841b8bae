"""scaling_report and locust_run as a playbook calls them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import watchdog
from ansible_collections.mlops.tfserving.plugins.modules import locust_run, scaling_report

RECORDED = Path(__file__).parent / "data/demo.jsonl"


def kubeconfig(url: str) -> dict[str, Any]:
    return {
        "current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "c", "user": {}}],
    }  # fmt: skip


def call(capsys: pytest.CaptureFixture[str], module: Any, **options: Any) -> dict[str, Any]:
    with patch_module_args(options), pytest.raises(SystemExit):
        module.main()
    return dict(json.loads(capsys.readouterr().out))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "reports/one"
    folder.mkdir(parents=True)
    shutil.copy(RECORDED, folder / "timeline.jsonl")
    return folder


def report(capsys: pytest.CaptureFixture[str], run_dir: Path, **options: Any) -> dict[str, Any]:
    return call(capsys, scaling_report, **{"run_dir": str(run_dir), "workers": 2, "users": 36, **options})


def test_a_report_that_is_made_again_is_no_change(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(capsys, run_dir, _ansible_check_mode=True)["changed"]
    assert not (run_dir / "report.json").exists()
    first = report(capsys, run_dir)
    assert (first["changed"], first["verdict"], first["exit_code"]) == (True, "pass", 0)
    page = (run_dir / "report.html").read_text()
    again = report(capsys, run_dir)
    assert not again["changed"]
    assert again["report"] == json.loads((run_dir / "report.json").read_text())
    assert "report.json" in page


def test_a_broken_limit_fails_the_task_after_everything_is_written(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = report(capsys, run_dir, slo=["p95_ms <= 10"])
    assert (result["failed"], result["verdict"], result["exit_code"]) == (True, "fail", 2)
    assert "p95_ms <= 10: it was 285" in result["msg"]
    assert "<failure" in (run_dir / "junit.xml").read_text()
    kept = report(capsys, run_dir, slo=["p95_ms <= 10"], fail_on=[])
    assert (kept.get("failed", False), kept["exit_code"]) == (False, 2)


def test_a_baseline_is_named_as_people_name_it(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(capsys, run_dir)
    other = run_dir.parent / "two"
    shutil.copytree(run_dir, other)
    for name in ("one", str(run_dir), str(run_dir / "report.json")):
        result = report(capsys, other, baseline=name)
        assert result["comparison"] == "Nothing is worse than in run one."
    missing = report(capsys, other, baseline="three")
    assert "the baseline three has no report" in missing["msg"]
    links = (run_dir.parent / "index.html").read_text()
    assert "one/report.html" in links
    assert "two/report.html" in links


FOREIGN = [
    "{}", "[]", "null", '"x"', '{"verdict": "pass"}', '{"verdict": ["pass"], "requests": 1}', "[" * 100_000,
    '{"verdict": "pass", "requests": {"p95_ms": "x"}, "scaling": {}, "environment": {}}',
    '{"verdict": "pass", "requests": [], "scaling": {}, "environment": {}}',
    '{"verdict": "fail", "requests": {}, "scaling": {}, "environment": {}, "started": "today"}',
]  # fmt: skip


def test_what_is_no_report_is_passed_over_and_no_baseline(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, text in enumerate(FOREIGN):
        other = run_dir.parent / f"other-{number}"
        other.mkdir()
        (other / "report.json").write_text(text)
    (run_dir / "report.json").write_text("{")
    made = report(capsys, run_dir)
    assert (made.get("failed"), made["changed"]) == (None, True), made
    assert "other-" not in (run_dir.parent / "index.html").read_text()
    for number in range(len(FOREIGN)):
        refused = report(capsys, run_dir, baseline=f"other-{number}")
        assert "has no report that can be read" in refused["msg"]


def test_a_reason_that_utf8_has_no_bytes_for_harms_no_run(run_dir: Path) -> None:
    """Neither its own nor a later one. In Ansible's process: on its way to another, Ansible itself would refuse it."""
    given = {
        "run_dir": str(run_dir),
        "workers": 2,
        "users": 36,
        "environment": {"load": "a \ud800 b", "model": "\ud800"},
    }
    options = ArgumentSpecValidator(scaling_report.SPEC["argument_spec"]).validate(given).validated_parameters
    for _again in range(2):
        made = scaling_report.answer(options, check_mode=False)
        assert not made.get("failed"), made
    assert "a ? b" in (run_dir.parent / "index.html").read_text()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: (folder / "timeline.jsonl").unlink(), "Is"),
        (lambda folder: (folder / "timeline.jsonl").write_text(""), "has no event"),
    ],
)
def test_a_folder_that_is_no_run_is_told(
    run_dir: Path, capsys: pytest.CaptureFixture[str], spoil: Any, words: str
) -> None:
    spoil(run_dir)
    result = report(capsys, run_dir)
    assert result["failed"]
    assert words in result["msg"]


def test_the_half_line_of_a_killed_run_does_no_harm(
    run_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (run_dir / "timeline.jsonl").read_text()
    (run_dir / "timeline.jsonl").write_text(text[: len(text) // 2])
    assert report(capsys, run_dir, fail_on=[])["report"]["requests"]["total"] > 0


def test_limits_that_say_nothing_are_refused(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no comparison" in report(capsys, run_dir, slo=["fast"])["msg"]
    assert not (run_dir / "report.json").exists()


def test_a_folder_for_reports_that_can_not_be_written_is_told_before_the_load(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    result = call(
        capsys, locust_run, namespace="n", service="s", run="r", workers=1, deployment="m", load_timeout=9,
        reports_dir=str(tmp_path / "file"), kubeconfig=kubeconfig("http://127.0.0.1:9"),
    )  # fmt: skip
    assert "the report's folder can't be written" in result["msg"]


def test_where_locust_never_came_up_nothing_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster whose proxy finds nobody behind Locust's Service."""
    asked: list[str] = []
    ended = threading.Event()

    class Cluster(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _unused, query = self.path.partition("?")
            asked.append(path)
            if "watch=true" in query:
                ended.wait(30)
            proxied = "/proxy/" in path
            body = json.dumps({"items": [], "metadata": {"resourceVersion": "1"}}).encode()
            self.send_response(503 if proxied else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        result = call(
            capsys, locust_run, namespace="n", service="s", run="r", workers=1, deployment="m", load_timeout=9,
            start_timeout=0, reports_dir=str(tmp_path), kubeconfig=kubeconfig(url),
        )  # fmt: skip
        ended.set()
        server.shutdown()
    assert result["failed"]
    assert "Locust was not ready within 0 s: its master did not answer" in result["msg"]
    proxied = {path.rpartition("/proxy")[2] for path in asked if "/proxy/" in path}
    assert proxied == {"/loadtest"}


def test_a_run_that_is_told_to_stop_wakes_up_and_still_waits_for_the_last_counts() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        dog = watchdog.Watchdog()
        assert dog.reason() is None
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        begun = time.monotonic()
        dog.sleep(60)
        assert time.monotonic() - begun < 30
        assert dog.reason() == "the run was interrupted"
        begun = time.monotonic()
        dog.sleep(0.2)
        assert time.monotonic() - begun >= 0.19
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_run_whose_playbook_is_gone_is_told_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    for drivers, gone in ((f"{os.getpid()}", False), (f"{os.getpid()},{ended.pid}", True), ("", False)):
        monkeypatch.setenv(watchdog.DRIVERS, drivers)
        monkeypatch.setattr(signal, "signal", lambda *_: None)
        assert (watchdog.Watchdog().reason() is not None) == gone
