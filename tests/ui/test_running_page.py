"""Somebody opens the page of a run that goes on, and leaves it open: headless Chromium shows what comes, and the report at last."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest import live, reporting, runs

RECORDED = Path(__file__).resolve().parents[1] / "unit/scaling/data/demo-on-1.34.jsonl"
TOLD: dict[str, Any] = {
    "slo": ["p95_ms <= 2500"], "workers": 2, "users": 36, "environment": {"model": "m", "host": "h"},
}  # fmt: skip


def eventually(what: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return found


class Browser:
    """A tab of Chromium, by its DevTools protocol. https://chromedevtools.github.io/devtools-protocol/"""

    def __init__(self, profile: Path) -> None:
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        assert program, "no Chromium: tools/setup installs it (Debian: apt install chromium)"
        self._process = subprocess.Popen(
            [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--remote-debugging-port=0", f"--user-data-dir={profile}",
             "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port = eventually(lambda: _text(profile / "DevToolsActivePort").partition("\n")[0])
        tabs = requests.get(f"http://127.0.0.1:{port}/json", timeout=60).json()
        tab = next(one for one in tabs if one["type"] == "page")
        self._socket = websocket.create_connection(
            tab["webSocketDebuggerUrl"], timeout=60, suppress_origin=True
        )
        self._asked = 0

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv())
            if answer.get("id") == self._asked:
                return dict(answer)

    def value(self, script: str) -> Any:
        """What a script says; None while a page is being loaded."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        return answer.get("result", {}).get("result", {}).get("value")

    def close(self) -> None:
        self._socket.close()
        self._process.terminate()
        self._process.wait()


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    made = Browser(tmp_path / "profile")
    yield made
    made.close()


TITLE = "document.title"
REQUESTS = "[...document.querySelectorAll('.tile')].find(t => t.textContent.includes('requests'))?.querySelector('b').textContent"
OUTSIDE = """[...document.querySelectorAll('figure svg')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const its = text.getBoundingClientRect();
    return its.left < box.left || its.right > box.right || its.top < box.top || its.bottom > box.bottom;
  }).map(text => text.textContent);
})"""
"""Words of a figure that are cut off."""

LOADED = "performance.timeOrigin"


def test_an_open_page_fills_by_itself_and_ends_as_the_report(browser: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "reports/one"
    folder.mkdir(parents=True)
    lines = RECORDED.read_text().splitlines(keepends=True)
    seen: list[str] = []
    with runs.under_way(folder), live.shown(folder, TOLD), (folder / runs.TIMELINE).open("a") as timeline:
        runs.point_latest(folder)
        page = tmp_path / "reports/latest/report.html"
        eventually(page.exists)
        browser.ask("Page.navigate", url=page.as_uri())
        assert eventually(lambda: browser.value(TITLE)) == "Load test one: running"
        assert browser.value(REQUESTS) == "0"
        for half in (lines[: len(lines) // 2], lines[len(lines) // 2 :]):
            timeline.writelines(half)
            timeline.flush()
            seen.append(eventually(lambda: _new(browser.value(REQUESTS), ["0", *seen])))
        assert browser.value("document.querySelectorAll('figure svg').length") == 3
        assert browser.value(OUTSIDE) == []
    first, second = (float(re.sub(",", "", text)) for text in seen)
    assert 0 < first < second
    assert eventually(lambda: browser.value(TITLE) == "Load test one: ended")
    options = {"run_dir": str(folder), "baseline": None, "fail_on": [], "billing": {}, **TOLD}
    verdict = reporting.report_on(options, check_mode=False)["verdict"]
    assert eventually(lambda: browser.value(TITLE) == f"Load test one: {verdict}")
    # The report stays: it asks for nothing any more.
    loaded = browser.value(LOADED)
    time.sleep(7)
    assert browser.value(LOADED) == loaded


def _new(value: str | None, known: list[str]) -> str | None:
    return None if value in known else value


def test_a_page_that_nobody_writes_any_more_says_so(browser: Browser, tmp_path: Path) -> None:
    """As after a loss of power: neither the driver nor the process beside it could write a last page."""
    folder = tmp_path / "one"
    folder.mkdir()
    shutil.copy(RECORDED, folder / runs.TIMELINE)
    live.draw(folder, TOLD, 5.0)
    page = folder / "report.html"
    browser.ask("Page.navigate", url=page.as_uri())
    assert eventually(lambda: browser.value(TITLE)) == "Load test one: running"
    old = re.sub(r'data-due="(\d+)"', lambda due: f'data-due="{int(due[1]) - 120}"', page.read_text())
    runs.replace(page, old)
    assert eventually(lambda: browser.value(TITLE) == "Load test one: no longer written")
    said = browser.value("document.querySelector('.verdict').innerText")
    assert "NO LONGER WRITTEN" in said
    assert "the run was killed, or its machine is gone" in said
    assert "running" not in said.lower()
