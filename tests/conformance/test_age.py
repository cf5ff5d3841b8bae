"""What counts as age, on small recordings."""

from __future__ import annotations

from typing import Any

import pytest
from age import Age, Shown, place, unpublished
from recorded import Exchange, Scenario
from shapes import Difference

URL = "https://container.googleapis.com/v1beta1/projects/p/locations/l/clusters/c"


def recording(date: str, answer: dict[str, Any], asked: dict[str, Any] | None = None) -> Scenario:
    made = Exchange("POST", URL.rpartition("/")[0], {"cluster": asked or {"name": "c"}}, 200, {})
    return Scenario(f"x@{date}-abc", (made, Exchange("GET", URL, None, 200, answer)))


def gone(scenario: Scenario, others: list[Scenario], *difference: str) -> str | None:
    return Age([scenario, *others]).gone_in(scenario, "cluster", Difference(*difference))


OLD = recording("2025-01-01", {"a": {"x": 1}})


def test_a_field_that_a_newer_recording_shows_first_is_age() -> None:
    newer = recording("2026-01-01", {"a": {"x": 1}, "b": 2})
    assert gone(OLD, [newer], "extra", "b", "", "2") == newer.name


def test_a_field_that_was_shown_before_is_not() -> None:
    older, newer = (recording(f"{year}-01-01", {"b": 2}) for year in (2024, 2026))
    assert gone(OLD, [older, newer], "extra", "b", "", "2") is None


def test_nor_one_that_no_newer_recording_shows() -> None:
    assert gone(OLD, [recording("2026-01-01", {"a": {"x": 1}})], "extra", "b", "", "2") is None


def test_a_field_that_newer_ones_lack_is_age() -> None:
    newer = recording("2026-01-01", {"a": {"y": 1}})
    assert gone(OLD, [newer], "missing", "a.x", "1", "") == newer.name


def test_not_if_it_was_asked_for_and_the_newer_one_did_not_ask() -> None:
    asking = recording("2025-01-01", {"a": {"x": 1}}, {"name": "c", "a": {"x": 1}})
    assert gone(asking, [recording("2026-01-01", {"a": {"y": 1}})], "missing", "a.x", "1", "") is None


def test_a_value_is_age_only_if_ours_came_after_theirs() -> None:
    newer = recording("2026-01-01", {"a": {"x": 2}})
    older = recording("2024-01-01", {"a": {"x": 2}})
    assert gone(OLD, [newer], "value", "a.x", "1", "2") == newer.name
    assert gone(OLD, [older, newer], "value", "a.x", "1", "2") is None
    assert (
        gone(OLD, [newer, recording("2027-01-01", OLD.exchanges[1].response)], "value", "a.x", "1", "2")
        is None
    )


def test_a_recording_without_a_date_is_as_old_as_its_gke() -> None:
    older, newer = (
        recording(date, {"initialClusterVersion": version, "currentMasterVersion": version})
        for date, version in (("2025-01-01", "1.32.4-gke.5"), ("2026-01-01", "1.35.1-gke.2"))
    )
    for version, date in (
        ("1.32.10-gke.1", "2025-01-01"),
        ("1.36.0-gke.1", "2026-01-01"),
        ("1.30.0", ""),
    ):
        mine = Scenario("mine", recording("", {"initialClusterVersion": version}).exchanges)
        assert Age([older, newer]).date_of(mine) == date


def test_what_an_insider_is_shown_is_no_evidence() -> None:
    insider = recording("2026-01-01", {"currentMasterVersion": "1", "kspanConfig": {}, "b": 2})
    assert Shown(insider).of_an_insider
    assert gone(OLD, [insider], "extra", "b", "", "2") is None


@pytest.mark.parametrize(
    ("kind", "path", "name"),
    [
        ("cluster", "nodePools[1].config.diskType", "pool config.diskType"),
        ("cluster", "nodeConfig.diskType", "pool config.diskType"),
        ("nodePool", "config.diskType", "pool config.diskType"),
        ("cluster", "conditions[3].code", "cluster conditions[].code"),
        ("cluster", "operationType", "operation operationType"),
        ("cluster", "error.message", "error error.message"),
    ],
)
def test_a_field_has_one_name_wherever_it_is_shown(kind: str, path: str, name: str) -> None:
    assert place(kind, path) == name


def test_published_is_what_googles_description_has() -> None:
    answer = {"name": "c", "nodePools": [{"name": "p", "secret": 1}], "autogke": {}}
    assert list(unpublished("Cluster", answer)) == ["nodePools[0].secret", "autogke"]
