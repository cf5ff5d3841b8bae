"""The page of a run that goes on: from its first moment, at every moment, and when its driver is killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.filter.newest_run import newest_run
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import live, reporting, runs
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.pages import State
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import read
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling import answering

RECORDED = Path(__file__).parents[1] / "scaling/data/demo-on-1.34.jsonl"
TOLD: dict[str, Any] = {
    "slo": ["requests >= 10", "p95_ms <= 300", "replicas back to min within 360 s", "reaction.ready_s <= 60"],
    "workers": 2, "users": 36, "environment": {"model": "m", "host": "h"},
}  # fmt: skip
WHATIF = {"slo": [], "settings": [], "shape": {}, "prices": {}, "pools": [], "propose": False, "seed": 1}


def run(folder: Path, name: str = "one") -> Path:
    made = folder / "reports" / name
    made.mkdir(parents=True)
    shutil.copy(RECORDED, made / "timeline.jsonl")
    return made


def report(folder: Path, **more: Any) -> dict[str, Any]:
    options = {"run_dir": str(folder), "baseline": None, "fail_on": [], "billing": {}, **TOLD, **more}
    return reporting.report_on(options, check_mode=False)


def eventually(what: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def driver(folder: Path) -> int:
    """A process that drives the run until it is killed; its page is there."""
    child = os.fork()
    if not child:
        with runs.under_way(folder), live.shown(folder, TOLD):
            time.sleep(600)
        os._exit(0)
    eventually((folder / "report.html").exists)
    return child


def test_every_moment_of_a_run_has_a_page_without_a_verdict(tmp_path: Path) -> None:
    """From nothing at all to everything, with words that name where it is."""
    events, told = read(RECORDED), set()
    begun = next(index for index, event in enumerate(events) if event["kind"] == "run")
    for count in [
        0,
        1,
        begun,
        begun + 1,
        begun + 2,
        begun + 12,
        *range(begun + 30, len(events), 80),
        len(events),
    ]:
        words = live.now_in_words(events[:count])
        told.add(re.sub(r"\d[\d.]*", "N", words))
        page = reporting.page(events[:count], TOLD, "r", State("running", words, 1796018146.0, 10))
        assert '<div class="verdict running">' in page
        assert 'http-equiv="refresh"' in page
        assert not re.search(r'class="verdict (pass|fail|invalid)"|the run proves nothing', page)
        assert "last written at 2026-11-30" in page
    assert told == {
        "Waiting for Locust's workers.", "The load begins.", "Now: N users, N requests/s and pN N ms in the last N s.",
        "Now: N users, N requests/s and pN - ms in the last N s.",
        "The load has ended; waiting until replicas and nodes have gone again.",
    }  # fmt: skip
    report(run(tmp_path))
    final = (tmp_path / "reports/one/report.html").read_text()
    assert "refresh" not in final
    assert "running" not in final.partition("</style>")[2]
    assert "<script" not in final
    # It is the same page: what the last one before it shows, but its state, stands in the final one, too.
    assert sections(page) == sections(final)


def sections(page: str) -> list[str]:
    """The page below its head, without what is said of a state, and the list of files."""
    page = re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
    found = re.sub(
        r"<p class=soft>As it would be judged.*?</p>|<p class=soft>As they would be.*?</p>", "", page
    )
    found = found[found.index('<div class="tiles">') :].partition("<section><h2>Files")[0]
    return [
        line.strip()
        for line in found.replace("</body>", "").replace("</html>", "").splitlines()
        if line.strip()
    ]


def test_a_driver_that_is_killed_leaves_a_page_that_says_so(tmp_path: Path) -> None:
    folder = run(tmp_path)
    child = driver(folder)
    try:
        assert "▶ running" in (folder / "report.html").read_text()
        assert runs.is_under_way(folder)
        assert "still under way" in report(folder)["msg"]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    eventually(lambda: live.KILLED in (folder / "report.html").read_text())
    eventually(lambda: not runs.is_under_way(folder))
    page = (folder / "report.html").read_text()
    assert "■ ended" in page
    assert "▶" not in page
    assert "written again" not in page
    verdict = report(folder)["verdict"]
    assert f'<div class="verdict {verdict}">' in (folder / "report.html").read_text()


def test_a_run_that_can_not_begin_says_why_on_its_page(tmp_path: Path) -> None:
    folder = tmp_path / "reports/one"
    folder.mkdir(parents=True)

    def drive() -> None:
        with runs.under_way(folder), live.shown(folder, TOLD):
            raise ValueError("1 of 2 <workers> came")

    with pytest.raises(ValueError, match="came"):
        drive()
    assert "The run has ended; 1 of 2 &lt;workers&gt; came" in (folder / "report.html").read_text()
    assert not runs.is_under_way(folder)


def test_pages_take_a_fiftieth_of_a_core_at_most() -> None:
    for cpu in (0.0, 0.05, 0.5, 4.0):
        assert cpu <= 0.015 * live.pause(cpu)
        assert live.pause(cpu) >= 5


def test_nobody_sees_half_a_page(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    runs.replace(page, "0" * 200_000 + "</html>")
    done = threading.Event()

    def write() -> None:
        for number in range(300):
            runs.replace(page, str(number % 10) * 200_000 + "</html>")
        done.set()

    threading.Thread(target=write).start()
    while not done.is_set():
        text = page.read_text()
        assert text == text[0] * 200_000 + "</html>"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_readers_of_latest_take_the_newest_run_that_has_ended(tmp_path: Path) -> None:
    before, now = run(tmp_path, "before"), run(tmp_path, "now")
    latest = tmp_path / "reports/latest"
    runs.point_latest(now)
    nothing = answering.answer({"run_dir": str(latest), **WHATIF}, check_mode=True)
    assert "has no report yet" in nothing["msg"]
    assert newest_run(str(latest.parent))["name"] == ""
    report(before)
    runs.point_latest(now)
    child = driver(now)
    try:
        found = answering.answer({"run_dir": str(latest), **WHATIF}, check_mode=True)
        assert found["run_dir"] == str(before)
        refused = answering.answer({"run_dir": str(now), **WHATIF}, check_mode=True)
        assert "now is still under way" in refused["msg"]
        told = newest_run(str(latest.parent))
        assert (told["name"], told["under_way"]) == ("before", str(now / "report.html"))
        assert "now/report.html" not in (latest.parent / "index.html").read_text()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    eventually(lambda: not runs.is_under_way(now))
    told = newest_run(str(latest.parent))
    assert (told["name"], told["under_way"]) == ("before", "")


@pytest.mark.parametrize("name", ["latest", "{}/latest", "{}/latest/report.json"])
def test_latest_as_a_baseline_is_the_run_before(tmp_path: Path, name: str) -> None:
    before, now = run(tmp_path, "before"), run(tmp_path, "now")
    report(before)
    runs.point_latest(now)
    baseline = name.format(tmp_path / "reports")
    assert report(now, baseline=baseline)["comparison"] == "Nothing is worse than in run before."
    # Made again it is compared with the same.
    assert not report(now, baseline=baseline)["changed"]
    assert json.loads((now / "report.json").read_text())["comparison"]["run"] == "before"
