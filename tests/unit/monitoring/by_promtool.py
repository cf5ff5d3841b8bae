"""What Prometheus makes of series that are given, by its own promtool."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sandbox.build import cache_dir

Json = dict[str, Any]


def promtool(*arguments: str, folder: Path) -> str:
    found = shutil.which("promtool", path=f"{os.environ['PATH']}:{cache_dir()}")
    assert found, "no promtool: run tools/setup, or install Debian's prometheus"
    done = subprocess.run([found, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def play(rules: Json, scraped: Mapping[str, str], interval: str, expected: Json, folder: Path) -> None:
    """Fails unless the series, a value each interval, come to what is expected under these rules.

    ``expected``: ``alert_rule_test`` or ``promql_expr_test`` as promtool takes them.
    """
    series = [{"series": name, "values": values} for name, values in scraped.items()]
    test = {"interval": interval, "input_series": series, **expected}
    (folder / "rules.yml").write_text(yaml.safe_dump(rules, width=1000))
    (folder / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": interval, "tests": [test]}, width=1000)
    )  # fmt: skip
    promtool("test", "rules", "test.yml", folder=folder)
