"""The module tfserving_model, through a real Kubernetes client, against pods that answer as TF Serving does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_cluster import Ask, Cluster, Pod

COFFEE = {"name": "coffee", "instances": [[1.0, 2.0]]}
RIGHT = {**COFFEE, "expect": [[0.25, 0.75]]}


def saying(name: str, answer: Any, **more: Any) -> Pod:
    return Pod(name, predict=lambda _: answer, **more)


def test_pods_that_serve_as_wanted_pass_and_are_told_one_by_one(ask: Ask) -> None:
    result = ask(Pod("w-1"), Pod("w-2"), version=3, golden=[RIGHT], minimum_pods=2)
    assert not result.get("failed"), result
    assert result["changed"] is False
    assert [(pod["pod"], pod["node"], pod["ok"], pod["versions"]) for pod in result["pods"]] == [
        ("w-1", "n1", True, {"3": "AVAILABLE"}),
        ("w-2", "n1", True, {"3": "AVAILABLE"}),
    ]
    assert (result["skew"], result["gone"], result["spread"]) == ([], [], {"golden coffee of m/3": 0.0})


def test_each_pod_that_differs_is_listed_with_what_and_by_how_much(ask: Ask) -> None:
    pods = (Pod("w-1"), saying("w-2", [[0.3, 0.7]]), Pod("w-3", versions={"m": {"3": "LOADING"}}))
    result = ask(*pods, version=3, golden=[RIGHT])
    assert result["failed"]
    assert result["msg"].startswith("2 of 3 pods do not serve m as expected")
    assert "w-2: golden coffee: $[0][0]: expected 0.25, got 0.3 (off by 0.05)" in result["msg"]
    assert "w-3: version 3 is not available (has: 3 LOADING)" in result["msg"]
    assert [pod["ok"] for pod in result["pods"]] == [True, False, False]
    assert {one["pod"]: one["subject"] for one in result["skew"]} == {
        "w-2": "golden coffee of m/3",
        "w-3": "versions of m/3",
    }
    assert result["spread"] == {"golden coffee of m/3": pytest.approx(0.05)}


def test_without_a_known_answer_the_odd_pod_is_the_problem(ask: Ask) -> None:
    result = ask(Pod("w-1"), saying("w-2", [[0.9, 0.1]]), Pod("w-3"), golden=[COFFEE])
    assert result["failed"]
    assert "w-2: golden coffee of m: differs from w-1: $[0][0]: expected 0.25, got 0.9" in result["msg"]
    assert not ask(Pod("w-1"), saying("w-2", [[0.2501, 0.7499]]), golden=[COFFEE]).get("failed")


@pytest.mark.parametrize(
    ("answer", "golden", "ok"),
    [
        ([{"scores": [0.9], "label": "cup"}], {"expect": [{"label": "cup"}]}, True),
        ([{"scores": [0.9], "label": "Cup"}], {"expect": [{"label": "cup"}]}, False),
        (
            [{"scores": [0.9]}],
            {"expect": [{"scores": [0.8]}], "tolerances": {"scores": {"absolute": 0.2}}},
            True,
        ),
        (
            [{"scores": [0.9]}],
            {"expect": [{"scores": [0.8]}], "tolerances": {"score": {"absolute": 0.2}}},
            False,
        ),
        ([[90.0]], {"expect": [[100.0]], "relative_tolerance": 0.11}, True),
        ([[90.0]], {"expect": [[100.0]], "relative_tolerance": 0.09}, False),
        ([[float("nan")]], {"expect": [[0.5]]}, False),
        ([[0.5, 0.5]], {"expect": [[0.5]]}, False),
    ],
)
def test_answers_are_measured_by_the_tolerance_of_each_output(
    ask: Ask, answer: Any, golden: dict[str, Any], ok: bool
) -> None:
    result = ask(saying("w-1", answer), golden=[{**COFFEE, **golden}])
    assert bool(result.get("failed")) != ok, result


def test_a_tolerance_for_an_output_that_is_not_there_is_told(ask: Ask) -> None:
    golden = {**COFFEE, "expect": [{"scores": [0.9]}], "tolerances": {"score": {"absolute": 0.2}}}
    result = ask(saying("w-1", [{"scores": [0.9], "label": "cup"}]), golden=[golden])
    assert "tolerances name no output of the model: score (has: label, scores)" in result["msg"]


def test_columns_are_asked_and_compared_as_columns(ask: Ask) -> None:
    golden = {"name": "coffee", "inputs": {"x": [[1.0]]}, "expect": {"y": [[2.0]]}}
    pod = Pod("w-1", predict=lambda body: {"y": [[body["inputs"]["x"][0][0] * 2]]})
    assert not ask(pod, golden=[golden]).get("failed")


@pytest.mark.parametrize(
    ("pod", "options", "words"),
    [
        (Pod("w-1", versions={}), {}, "HTTP 404: Could not find any versions of model m"),
        (
            Pod("w-1", versions={"m": {"2": "AVAILABLE"}}),
            {"version": 3},
            "version 3 is not available (has: 2 AVAILABLE)",
        ),
        (Pod("w-1", versions={"m": {"3": "END"}}), {}, "no version is available (has: 3 END)"),
        (Pod("w-1"), {"label": "stable"}, "HTTP 400: Unrecognized servable version label: stable"),
        (
            Pod("w-1", versions={"m": {"3": "AVAILABLE", "2": "AVAILABLE"}}, labels={"m": {"stable": "2"}}),
            {"label": "stable", "version": 3},
            "label stable points to another version than 3 (2 AVAILABLE)",
        ),
        (
            saying("w-1", (400, {"error": 'Serving signature name: "x" not found in signature def'})),
            {"golden": [{**RIGHT, "signature_name": "x"}]},
            'golden coffee: HTTP 400: Serving signature name: "x" not found',
        ),
        (Pod("w-1"), {"port": 8080}, "connect: connection refused. The API server does not reach this port"),
    ],
)
def test_what_a_pod_answers_badly_is_told_in_its_own_words(
    ask: Ask, pod: Pod, options: dict[str, Any], words: str
) -> None:
    result = ask(pod, **options)
    assert result["failed"]
    assert words in result["msg"]


def test_models_versions_and_labels_are_asked_together(ask: Ask) -> None:
    pod = Pod(
        "w-1",
        versions={"m": {"3": "AVAILABLE", "4": "AVAILABLE"}, "other": {"1": "AVAILABLE"}},
        labels={"m": {"stable": "3", "canary": "4"}},
        predict=lambda body: [f"{body['model']}/{body['version']}"],
    )
    models = [
        {"name": "m", "label": "stable", "version": 3, "golden": [{**COFFEE, "expect": ["m/3"]}]},
        {"name": "m", "label": "canary", "golden": [{**COFFEE, "expect": ["m/4"]}]},
        {"name": "m", "version": 4, "golden": [{**COFFEE, "expect": ["m/4"]}]},
        {"name": "other", "golden": [{**COFFEE, "expect": ["other/1"]}]},
    ]
    result = ask(pod, models=models)
    assert not result.get("failed"), result
    assert result["pods"][0]["models"]["m/canary"] == {"4": "AVAILABLE"}
    assert set(result["pods"][0]["models"]) == {"m/stable", "m/canary", "m/4", "other"}
    models[1]["golden"] = [{**COFFEE, "expect": ["m/3"]}]
    assert "w-1: m/canary: golden coffee: $[0]: expected 'm/3', got 'm/4'" in ask(pod, models=models)["msg"]


def test_one_pod_outside_of_the_deployment_is_asked_by_name(ask: Ask) -> None:
    cluster = Cluster(Pod("w-1", versions={}), Pod("gate"))
    result = ask(cluster=cluster, pod="gate", version=3, golden=[RIGHT])
    assert [pod["pod"] for pod in result["pods"]] == ["gate"]
    assert all("w-1" not in path for _, path in cluster.requests)


@pytest.mark.parametrize(
    ("pods", "options", "words"),
    [
        ([], {}, "0 pods of app=w in namespace ns are ready, expected at least 1"),
        (
            [Pod("w-1"), Pod("w-2", ready=False)],
            {"minimum_pods": 2},
            "1 pods of app=w in namespace ns are ready",
        ),
        ([Pod("w-1", ready=False)], {"pod": "w-1"}, "pod w-1 in namespace ns is not ready"),
        ([], {"pod": "w-1"}, "no pod w-1 in namespace ns"),
    ],
)
def test_too_few_ready_pods_are_an_error(
    ask: Ask, pods: list[Pod], options: dict[str, Any], words: str
) -> None:
    result = ask(*pods, **options)
    assert result["failed"]
    assert words in result["msg"]


def test_a_pod_that_ends_while_it_is_asked_does_not_count(ask: Ask) -> None:
    result = ask(Pod("w-1"), Pod("w-2", gone_after=1), golden=[RIGHT])
    assert not result.get("failed"), result
    assert result["gone"] == ["w-2"]
    assert [pod["pod"] for pod in result["pods"]] == ["w-1"]
    few = ask(Pod("w-1"), Pod("w-2", gone_after=1), golden=[RIGHT], minimum_pods=2)
    assert "without w-2, which ended meanwhile" in few["msg"]


def test_latency_is_measured_of_each_pod_and_limited(ask: Ask) -> None:
    cluster = Cluster(Pod("w-1"), Pod("w-2"))
    result = ask(cluster=cluster, golden=[RIGHT], latency={"requests": 8, "p95_ms": 60_000})
    assert not result.get("failed"), result
    for pod in result["pods"]:
        measured = pod["latency"]["m"]
        assert measured["requests"] == 8
        assert 0 < measured["p50_ms"] <= measured["p95_ms"] <= measured["max_ms"]
    assert sum(path.endswith(":predict") for _, path in cluster.requests) == 2 * (1 + 8)
    slow = ask(Pod("w-1"), golden=[RIGHT], latency={"requests": 4, "p50_ms": 0.000001})
    assert "w-1: too slow: p50 of 4 requests is" in slow["msg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"latency": {"requests": 4}}, "`latency` needs requests to measure"),
        ({"latency": {"requests": 0}, "golden": [RIGHT]}, "`latency.requests` must be 1 or more"),
        ({"latency": {"p95_ms": 0}, "golden": [RIGHT]}, "`latency.p95_ms` must be more than 0"),
        ({"port": 0}, "`port` must be a port"),
        ({"timeout": 0}, "`timeout` must be 1 or more"),
        ({"version": -1}, "version -1 is negative"),
        ({"golden": [RIGHT, RIGHT]}, "two golden predictions are named coffee"),
        ({"golden": [{**RIGHT, "tolerance": -0.1}]}, "absolute tolerance must be a number of 0 or more"),
        ({"golden": [{"name": "x"}]}, "instances, inputs"),
        ({"models": []}, "`models` is empty"),
        ({"models": [{"name": "m"}, {"name": "m"}]}, "names one twice"),
        ({"model": "m", "models": [{"name": "m"}]}, "mutually exclusive"),
        ({"golden_file": "/nonexistent/golden.json"}, "record golden predictions first"),
        ({"state": "recorded", "golden_file": "/nonexistent/g.json"}, "nothing to record of model m"),
        ({"state": "recorded", "golden": [COFFEE]}, "golden_file"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    ask: Ask, options: dict[str, Any], words: str
) -> None:
    cluster = Cluster(Pod("w-1"))
    result = ask(cluster=cluster, **options)
    assert result["failed"]
    assert words in result["msg"]
    assert cluster.requests == []


def test_what_is_recorded_is_what_the_next_version_is_measured_by(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    record = {"state": "recorded", "golden_file": str(path)}
    planned = ask(Pod("w-1"), golden=[COFFEE], check=True, **record)
    assert planned["changed"]
    assert not path.exists()
    done = ask(Pod("w-1"), Pod("w-2"), golden=[COFFEE], **record)
    assert done["changed"]
    assert done["recorded"] == {"m": 3}
    assert (
        done["diff"]
        == planned["diff"]
        == {"before": {}, "after": {"m version 3": {"coffee": [[0.25, 0.75]]}}}
    )
    content = json.loads(path.read_text())
    assert content["recorded_at"].endswith("Z")
    assert content["models"][0]["version"] == 3

    again = ask(saying("w-1", [[0.2501, 0.7499]]), **record)
    assert again["changed"] is False, "the requests in the file, answered within the tolerance"
    assert json.loads(path.read_text()) == content

    next_one = {"versions": {"m": {"4": "AVAILABLE"}}}
    assert not ask(Pod("gate", **next_one), pod="gate", version=4, golden_file=str(path)).get("failed")
    worse = ask(saying("gate", [[0.5, 0.5]], **next_one), pod="gate", version=4, golden_file=str(path))
    assert "gate: golden coffee: $[0][0]: expected 0.25, got 0.5" in worse["msg"]
    assert (
        "no golden predictions of model other" in ask(Pod("w-1"), model="other", golden_file=str(path))["msg"]
    )


def test_the_latest_version_is_recorded_where_none_is_named(ask: Ask, tmp_path: Path) -> None:
    pod = Pod(
        "w-1",
        versions={"m": {"9": "AVAILABLE", "10": "AVAILABLE", "11": "LOADING"}},
        predict=lambda b: [b["version"]],
    )
    pod.predict = lambda body: ["10"]
    result = ask(pod, state="recorded", golden_file=str(tmp_path / "g.json"), golden=[COFFEE])
    assert result["recorded"] == {"m": 10}


@pytest.mark.parametrize("odd", [saying("w-2", [[0.9, 0.1]]), Pod("w-2", versions={"m": {"2": "AVAILABLE"}})])
def test_nothing_is_recorded_of_pods_that_disagree(ask: Ask, tmp_path: Path, odd: Pod) -> None:
    path = tmp_path / "golden.json"
    result = ask(Pod("w-1"), odd, state="recorded", golden_file=str(path), golden=[COFFEE])
    assert result["failed"]
    assert "w-2" in result["msg"]
    assert not path.exists()
