"""The report's pages as a person meets them, in headless Chromium: light, dark, narrow, printed."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import matplotlib.image
import numpy
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.modules import scaling_report

RECORDED = Path(__file__).resolve().parents[1] / "unit/loadtest/data/demo.jsonl"
DARK, LIGHT = ("--blink-settings=preferredColorScheme=0",), ("--blink-settings=preferredColorScheme=1",)


def chromium(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program, "no Chromium: tools/setup installs it (Debian: apt install chromium)"
    return subprocess.run(
        [program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars", f"--user-data-dir={folder / 'profile'}", *arguments],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn once, whoever runs these tests side by side."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    folder = (
        tmp_path_factory.getbasetemp().parent / f"reports-{run}"
        if run
        else tmp_path_factory.mktemp("reports")
    )
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "index.html").exists():
            draw(folder)
    return folder


def draw(folder: Path) -> None:
    for name in ("first", "second"):
        (folder / name).mkdir()
        shutil.copy(RECORDED, folder / name / "timeline.jsonl")
        given = {
            "run_dir": str(folder / name), "workers": 2, "users": 36,
            "slo": ["failed == 0 while steady", "p95_ms <= 300", "reaction.ready_s <= 60"], "fail_on": [],
            "environment": {"model": "image_classifier", "host": "http://image-classifier:8501"},
            **({"baseline": "first"} if name == "second" else {}),
        }  # fmt: skip
        with patch_module_args(given), pytest.raises(SystemExit):
            scaling_report.main()


def shot(reports: Path, tmp_path: Path, page: str, width: int, *more: str) -> numpy.ndarray:
    picture = tmp_path / "page.png"
    chromium(
        tmp_path, f"--window-size={width},2600", f"--screenshot={picture}", *more, (reports / page).as_uri()
    )
    return numpy.asarray(matplotlib.image.imread(picture))[..., :3]


def brightness(image: numpy.ndarray) -> float:
    return float(numpy.median(image))


def test_the_page_follows_the_readers_scheme(reports: Path, tmp_path: Path) -> None:
    light = shot(reports, tmp_path, "second/report.html", 1200, *LIGHT)
    dark = shot(reports, tmp_path, "second/report.html", 1200, *DARK)
    assert brightness(light) > 0.9
    assert brightness(dark) < 0.2
    # The figures follow, too: most of their pixels have the page's colour in both.
    for image in (light, dark):
        figure = numpy.median(image[500:1400, 70:1150].reshape(-1, 3), axis=0)
        assert numpy.allclose(figure, image[20, 20], atol=0.05)


def test_nothing_is_cut_off_on_a_narrow_screen(reports: Path, tmp_path: Path) -> None:
    probe = tmp_path / "probe.html"
    page = (reports / "second/report.html").read_text()
    script = "<script>document.title = document.documentElement.scrollWidth + '/' + innerWidth</script>"
    probe.write_text(page.replace("</body>", script + "</body>"))
    done = chromium(tmp_path, "--window-size=500,900", "--dump-dom", probe.as_uri())
    found = re.search(r"<title>(\d+)/(\d+)</title>", done.stdout)
    assert found
    assert int(found[1]) <= int(found[2]), "the page is wider than the screen; only figures may scroll"


def test_a_reader_sees_the_figures_and_their_words(reports: Path, tmp_path: Path) -> None:
    probe = tmp_path / "probe.html"
    page = (reports / "second/report.html").read_text()
    script = """<script>
      const texts = [...document.querySelectorAll('svg text')].map(t => [t.textContent, t.getBoundingClientRect()]);
      const boxes = [...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect());
      const small = texts.filter(([w, r]) => w.trim() && (r.width < 1 || r.height < 6)).map(([w]) => w);
      const outside = texts.filter(([w, r]) => w.trim() && !boxes.some(b =>
        r.left >= b.left - 2 && r.right <= b.right + 2 && r.top >= b.top - 2 && r.bottom <= b.bottom + 2)).map(([w]) => w);
      const requests = performance.getEntriesByType('resource').map(e => e.name);
      document.title = JSON.stringify({figures: boxes.length, small, outside, requests});
    </script>"""
    probe.write_text(page.replace("</body>", script + "</body>"))
    done = chromium(tmp_path, "--window-size=1200,2000", "--dump-dom", probe.as_uri())
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title
    found = json.loads(title[1].replace("&quot;", '"').replace("&amp;", "&"))
    assert found == {"figures": 2, "small": [], "outside": [], "requests": []}


def test_the_page_prints_on_a_few_sheets(reports: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    chromium(
        tmp_path, f"--print-to-pdf={pdf}", "--no-pdf-header-footer", (reports / "second/report.html").as_uri()
    )
    sheets = len(re.findall(rb"/Type\s*/Page[^s]", pdf.read_bytes()))
    assert 2 <= sheets <= 6


def test_figures_can_be_told_apart_without_colour(reports: Path) -> None:
    """Bars of different phases differ by hatch, lines of different meaning by dashes."""
    waterfall = (reports / "second/figures/waterfall.svg").read_text()
    assert len(set(re.findall(r"url\(#(h[0-9a-f]+)\)", waterfall))) >= 3
    timeline = (reports / "second/figures/timeline.svg").read_text()
    assert len(set(re.findall(r"stroke-dasharray: ([^;\"]+)", timeline))) >= 3


def test_the_list_of_runs_leads_to_each(reports: Path, tmp_path: Path) -> None:
    done = chromium(tmp_path, "--dump-dom", (reports / "index.html").as_uri())
    for link in re.findall(r'href="([^"]+)"', done.stdout):
        assert (reports / link).exists()
    assert done.stdout.count("report.html") == 2
    assert brightness(shot(reports, tmp_path, "index.html", 1200, *LIGHT)) > 0.9
