"""What one replica carries: found again where it is known, and not told where the runs do not say it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.loadtest.slo import Asked, asked_of_all
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling import capacity
from ansible_collections.mlops.tfserving.plugins.module_utils.scaling.capacity import Capacity, Ramp, Wanted
from ansible_collections.mlops.tfserving.plugins.modules import scaling_capacity, scaling_whatif
from queue_of_one import in_time_at_random, timeline

Json = dict[str, Any]
P95 = Asked("p95_ms <= 300", 300.0, 0.95)
WANTED = Wanted(first=1, last=200, repeats=3, within_percent=3, ramp_seconds=90, seconds=600)
RECORDED = Path(__file__).parent / "data" / "demo-on-1.34.jsonl"
OVERHEAD = 35
"""Seconds that Locust takes to come and go."""


@dataclasses.dataclass(frozen=True)
class Measured:
    found: Capacity | None
    ramps: list[Ramp]
    why: str
    seconds: float


def measure(
    rate: float, wanted: Wanted = WANTED, asked: Asked = P95, seed: int = 0, **queue: Any
) -> Measured:
    """As the playbook does it."""
    ramps: list[Ramp] = []
    elapsed = 0.0
    while (step := capacity.step(ramps, wanted, elapsed)).shape is not None:
        events = timeline(step.shape, 100 * seed + step.seed, rate, asked, **queue)
        ramps.append(capacity.ramp(f"r{step.seed}", events, asked, []))
        elapsed += OVERHEAD + events[-1]["elapsed"]
    return Measured(capacity.capacity(ramps), ramps, step.why, elapsed)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limit", [100.0, 300.0, 1000.0])
@pytest.mark.parametrize("rate", [17.6, 60.0, 150.0])
def test_a_queue_of_even_requests_carries_what_it_can_do(rate: float, limit: float, seed: int) -> None:
    """Nobody waits up to its rate, and everybody ever longer above. Within 3 %, in ten minutes."""
    end = measure(rate, asked=Asked("", limit, 0.95), seed=seed)
    assert end.found is not None
    assert end.found.kind == "at"
    assert end.found.rate == pytest.approx(rate, rel=0.03)
    assert end.found.repeats >= 3
    assert end.seconds <= 600


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("refused_after", [1.0, 10.0])
def test_one_that_refuses_what_finds_no_room_too(refused_after: float, seed: int) -> None:
    end = measure(60, seed=seed, waits=refused_after, spread=0.1)
    assert end.found is not None
    assert end.found.rate == pytest.approx(59.0, rel=0.03)


@pytest.mark.parametrize(("rate", "limit"), [(60.0, 300.0), (150.0, 100.0)])
def test_requests_at_random_as_erlang_says(rate: float, limit: float) -> None:
    """Each alone is off by a few per cent, as so few requests say no more; together they are not."""
    low, high = 0.5 * rate, rate
    while high - low > 0.001:
        middle = (low + high) / 2
        kept = in_time_at_random(middle, rate, limit / 1000 - 1 / rate) >= 0.95
        low, high = (middle, high) if kept else (low, middle)
    wanted = dataclasses.replace(WANTED, arrivals="poisson")
    ends = [measure(rate, wanted, Asked("", limit, 0.95), seed).found for seed in range(6)]
    rates = [end.rate for end in ends if end]
    assert sum(rates) / len(rates) == pytest.approx(low, rel=0.03)
    inside = [end for end in ends if end and end.low and end.high and end.low <= low <= end.high]
    assert len(inside) >= 4


def test_a_range_that_never_breaks_says_at_least() -> None:
    end = measure(60, dataclasses.replace(WANTED, last=40))
    assert end.found is not None
    assert (end.found.kind, end.found.low, len(end.ramps)) == ("at least", None, 1)
    assert 30 <= end.found.rate <= 40
    assert "capacity_last" in end.why
    assert "at least" in capacity.words(end.found)


def test_one_that_is_too_much_from_the_begin_on_says_less_than() -> None:
    end = measure(5, dataclasses.replace(WANTED, first=10))
    assert end.found is not None
    assert (end.found.kind, len(end.ramps)) == ("less than", 1)
    assert end.found.rate >= 10
    assert "capacity_first" in end.why


def test_a_coarse_ramp_that_was_wrong_is_found_out() -> None:
    """A machine that stood still: its first ramp saw a third, or twice what it carries."""
    for factor in (1 / 3, 2.0):
        ramps = [Ramp("coarse", kind="at", rate=60 * factor, first=1, last=60 * factor)]
        elapsed = 90.0
        while (
            step := capacity.step(ramps, dataclasses.replace(WANTED, seconds=1800), elapsed)
        ).shape is not None:
            ramps.append(capacity.ramp("r", timeline(step.shape, step.seed, 60, P95), P95, []))
            elapsed += 120
        found = capacity.capacity(ramps)
        assert found is not None
        assert found.rate == pytest.approx(60, rel=0.03)
        assert found.repeats >= 3


def test_an_invalid_run_is_no_evidence_and_another_comes_in_its_place() -> None:
    shape = capacity.step([], WANTED, 0).shape
    assert shape is not None
    events = timeline(shape, 1, 60, P95)
    refused = capacity.ramp("r1", events, P95, ["a worker used 97 % of its core"])
    assert "97 %" in capacity.told(refused)
    assert capacity.capacity([refused]) is None
    assert capacity.step([refused], WANTED, 120).shape == shape
    good = capacity.ramp("r2", events, P95, [])
    assert capacity.capacity([refused, good]) == capacity.capacity([good])
    given_up = capacity.step([refused] * 3, WANTED, 200)
    assert given_up.shape is None
    assert "prove nothing" in given_up.why


def test_several_replicas_are_not_one() -> None:
    shape = capacity.step([], WANTED, 0).shape
    assert shape is not None
    assert (
        "2 replicas answered" in capacity.ramp("r", timeline(shape, 1, 60, P95, replicas=2), P95, []).refused
    )


def test_what_the_proxy_refuses_an_address_is_not_what_a_replica_carries() -> None:
    """Above 20 a second its clients are told 429, where it could do 60."""
    end = measure(60, refuses=20)
    assert end.found is None
    assert all("serving_client_requests" in one.refused for one in end.ramps)
    # Not so where the replica is full before.
    assert all(not one.refused for one in measure(60, refuses=70).ramps)


def test_there_is_no_ramp_for_which_there_is_no_time() -> None:
    end = measure(60, dataclasses.replace(WANTED, seconds=300))
    assert end.seconds <= 300
    assert end.found is not None
    assert end.found.repeats < 3
    assert "no time" in end.why


def test_the_interval_is_students() -> None:
    ramps = [Ramp("c", rate=50), *(Ramp("r", rate=rate) for rate in (9.0, 10.0, 11.0))]
    found = capacity.capacity(ramps)
    assert found is not None
    # 4.303 (two degrees of freedom, 97.5 %) times 1 / sqrt(3).
    assert (found.rate, found.low, found.high) == pytest.approx((10, 7.516, 12.484), abs=0.001)
    assert (
        capacity.words(found)
        == "One replica carries 10.0 requests/s within the limit (7.5 to 12.5, 95 %, of 3 ramps: ±24.8 %)."
    )


def test_the_limit_is_the_first_percentile_of_all_requests() -> None:
    lines = ["failed == 0", "p99_ms <= 2 s while users <= 3", "p90_ms <= 0.2 s"]
    assert asked_of_all(lines) == Asked("p90_ms <= 0.2 s", 200, 0.9)
    assert asked_of_all(["p95_ms >= 3", "failed == 0"]) is None


@pytest.fixture(name="module")
def _module(capsys: pytest.CaptureFixture[str]) -> Callable[..., Json]:
    def call(**options: Any) -> Json:
        with patch_module_args(options), pytest.raises(SystemExit):
            scaling_capacity.main()
        return dict(json.loads(capsys.readouterr().out))

    return call


def folder_of(path: Path, events: list[Json], problems: tuple[str, ...] = ()) -> str:
    path.mkdir()
    (path / "timeline.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    report = {"generator": {"problems": list(problems)}, "environment": {"model": "m", "payload": ["a.jpg"]}}
    (path / "report.json").write_text(json.dumps(report))
    return str(path)


def test_the_module_says_the_next_ramp_until_it_is_enough(
    tmp_path: Path, module: Callable[..., Json]
) -> None:
    given: Json = {"slo": ["p95_ms <= 300"], "reports_dir": str(tmp_path)}
    runs: list[str] = []
    said = module(**given)
    assert (said["changed"], said["enough"], said["lines"]) == (False, False, [])
    while not said["enough"]:
        events = timeline(said["shape"], said["seed"], 60, P95)
        runs.append(folder_of(tmp_path / f"r{said['seed']}", events))
        assert not (tmp_path / "capacity.json").exists()
        said = module(**given, runs=runs, elapsed=120 * len(runs))
    assert said["changed"] is True
    told = json.loads((tmp_path / "capacity.json").read_text())
    assert told == said["capacity"]
    assert told["capacity"]["rate"] == pytest.approx(60, rel=0.03)
    assert told["start_seconds"] == 14
    assert (told["deployment"], told["cluster"], told["cpu"]["limits"]) == ("m", "here", {"tfserving": 300})
    assert (tmp_path / "capacity.png").read_bytes().startswith(b"\x89PNG")
    assert module(**given, runs=runs, elapsed=600)["changed"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slo": ["failed == 0"]}, "is a percentile of all requests"),
        ({"first": 5, "last": 5}, "is no range"),
        ({"repeats": 1}, "no interval"),
        ({"ramp_seconds": 400}, "two have to fit"),
        ({"runs": ["nowhere"]}, "Is it the folder of a load test"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_words(
    tmp_path: Path, module: Callable[..., Json], options: Json, words: str
) -> None:
    said = module(**({"slo": ["p95_ms <= 300"], "reports_dir": str(tmp_path)} | options))
    assert said["failed"] is True
    assert words in said["msg"]


def test_runs_of_which_none_proves_anything_fail(tmp_path: Path, module: Callable[..., Json]) -> None:
    shape = capacity.step([], WANTED, 0).shape
    assert shape is not None
    events = timeline(shape, 1, 60, P95)
    runs = [folder_of(tmp_path / f"r{n}", events, ("only 1 of 2 workers took part",)) for n in range(3)]
    said = module(slo=["p95_ms <= 300"], reports_dir=str(tmp_path), runs=runs, elapsed=300)
    assert said["failed"] is True
    assert "only 1 of 2 workers took part" in said["msg"]
    assert not (tmp_path / "capacity.json").exists()


REPORT: Json = {
    "generator": {"problems": []},
    "checks": [{"name": "p95_ms <= 300"}],
    "environment": {"model": "m", "payload": ["a.jpg"]},
}


def proposed(tmp_path: Path, capsys: pytest.CaptureFixture[str], **changed: Any) -> Json:
    """What tune says of the recorded run beside a capacity that was measured of the same replica, but for what is ``changed``."""
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "timeline.jsonl").write_text(RECORDED.read_text())
    (folder / "report.json").write_text(json.dumps(REPORT))
    measured_here = {
        "deployment": "image-classifier", "namespace": "tfserving", "cluster": "",
        "cpu": {"requests": {"proxy": 40, "tfserving": 300}, "limits": {"proxy": 40, "tfserving": 300}},
        "request": {"model": "m", "payload": ["a.jpg"], "protocol": None, "signature": None, "locustfile": None},
        "limit": {"words": "p95_ms <= 0.3 s", "milliseconds": 300.0, "share": 0.95}, "arrivals": "even",
        "capacity": {"kind": "at", "rate": 20.0, "low": 19.0, "high": 21.0, "repeats": 3},
    } | changed  # fmt: skip
    (tmp_path / "capacity.json").write_text(json.dumps(measured_here))
    with patch_module_args({"run_dir": str(folder), "propose": True}), pytest.raises(SystemExit):
        scaling_whatif.main()
    return dict(json.loads(capsys.readouterr().out))


def test_tune_shows_what_was_measured_beside_what_it_estimates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = proposed(tmp_path, capsys)
    estimate = said["proposal"]["capacity"][0]
    assert said["whatif"]["measured_capacity"]["rate"] == 20
    off = 100 * (estimate / 20 - 1)
    beside = next(line for line in said["lines"] if line.startswith("Measured by"))
    assert "20.0 requests/s within the limit (19.0 to 21.0, 95 %, of 3 ramps: ±5.0 %)" in beside
    assert beside.split("say ")[1] in {f"{off + small:+.1f} %." for small in (-0.1, 0, 0.1)}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"limit": {"words": "", "milliseconds": 200.0, "share": 0.95}}, "another limit than this run"),
        ({"cluster": "x", "cpu": {}}, "another cluster and another cpu than this run"),
        (
            {"capacity": {"kind": "at least", "rate": 40, "low": None, "high": None, "repeats": 0}},
            "carries at least 40.0 requests/s",
        ),
    ],
)
def test_of_another_replica_it_is_no_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changed: Json, words: str
) -> None:
    said = proposed(tmp_path, capsys, **changed)
    assert any(words in line for line in said["lines"])


def test_what_is_no_capacity_is_as_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = proposed(tmp_path, capsys, capacity={"rate": "fast"})
    assert said["whatif"]["measured_capacity"] is None
    assert not any("Measured by" in line or "was measured" in line for line in said["lines"])
