"""Samples of the metrics API: each written down once, and what can't be had said once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.samples import Samples
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.timeline import Timeline


class Api:
    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.status, self.asked, self.body = 200, [], b""

    def raw(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((path, more["query"]))
        if not self.status:
            raise KubeError(0, "NoAnswer", "no answer")
        return self.status, {}, self.body or json.dumps({"items": self.items}).encode()


def item(name: str, second: int, cpu: str = "12345678n") -> dict[str, Any]:
    return {
        "metadata": {"name": name}, "timestamp": f"2026-01-01T00:00:{second:02}Z", "window": "15.021s",
        "containers": [{"name": "tfserving", "usage": {"cpu": cpu, "memory": "1Ki"}}],
    }  # fmt: skip


def made(tmp_path: Path) -> tuple[Api, Timeline, Samples]:
    api, timeline = Api(), Timeline(tmp_path / "t")
    timeline.add("deployment", name="m", wanted=1, ready=1, selector={"app": "m", "a": "b"}, gone=False)
    return api, timeline, Samples(api, timeline, "n")  # type: ignore[arg-type]


def lines(timeline: Timeline) -> list[dict[str, Any]]:
    return [event for event in timeline.events if event["kind"] == "samples"]


def test_what_is_new_is_written_down_once_and_what_is_gone(tmp_path: Path) -> None:
    api, timeline, samples = made(tmp_path)
    api.items = [item("a", 1), item("b", 1)]
    samples.poll()
    samples.poll()
    api.items = [item("b", 16)]
    samples.poll()
    first, second = lines(timeline)
    assert api.asked[0] == ("/apis/metrics.k8s.io/v1beta1/namespaces/n/pods", {"labelSelector": "a=b,app=m"})
    assert [one["pod"] for one in first["pods"]] == ["a", "b"]
    assert first["pods"][0]["usage"] == {"tfserving": {"cpu": 13, "memory": 1024000}}
    assert first["pods"][0]["window"] == 15.021
    assert (second["pods"][0]["at"] - first["pods"][0]["at"], second["gone"]) == (15, ["a"])
    assert first["before"] <= first["since"] <= second["before"] <= second["since"] <= second["t"]


def test_what_cannot_be_had_is_said_once_and_nothing_is_gone_by_it(tmp_path: Path) -> None:
    api, timeline, samples = made(tmp_path)
    api.items = [item("a", 1)]
    samples.poll()
    api.status = 503
    samples.poll()
    samples.poll()
    api.status = 0
    samples.poll()
    api.status, api.body = 200, b"half a li"
    samples.poll()
    api.body = b""
    samples.poll()
    problems = [line["problem"] for line in lines(timeline)]
    assert problems[:3] == ["", "the metrics API answered 503", "no answer"]
    assert "makes no sense" in problems[3]
    assert problems[4:] == [""]
    assert all(line["gone"] == [] for line in lines(timeline))


def test_without_a_deployment_nobody_is_asked(tmp_path: Path) -> None:
    api, timeline = Api(), Timeline(tmp_path / "t")
    Samples(api, timeline, "n").poll()  # type: ignore[arg-type]
    assert api.asked == []
    assert "Deployment" in lines(timeline)[0]["problem"]
