"""Which versions are loaded, when, and what a request gets meanwhile."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_server.config import ModelConfig, VersionPolicy, checked_labels, validate, wanted_versions
from model_server.errors import Code, ServingError
from model_server.lifecycle import Version, next_action
from stub_server import Server

ALL = VersionPolicy("all")


def test_predictions_and_their_errors(server: Server) -> None:
    assert server.predict() == (200, {"predictions": [1]})
    assert server.predict("m/versions/1") == (200, {"predictions": [1]})
    assert server.predict("m/versions/5") == (
        404,
        {"error": "Servable not found for request: Specific(m, 5)"},
    )
    assert server.predict("m/labels/stable") == (
        400,
        {"error": "Unrecognized servable version label: stable"},
    )
    assert server.get("/v1/models/other") == (404, {"error": "Could not find any versions of model other"})


def test_a_newer_version_takes_over_and_the_older_goes_afterwards(server: Server) -> None:
    both_loaded = []
    server.before_load = lambda number: both_loaded.append(not server.loaded["m", 1].closed)
    server.versions(1, 2)
    server.poll()
    assert both_loaded == [True], "twice the memory, but never without an answer"
    assert server.predict() == (200, {"predictions": [2]})
    assert server.loaded["m", 1].closed
    assert server.states() == [(2, "AVAILABLE"), (1, "END")]


def test_a_broken_version_leaves_the_older_one_serving_and_is_not_tried_again(server: Server) -> None:
    server.broken.add(2)
    server.versions(1, 2)
    server.poll()
    server.broken.clear()
    server.poll()
    assert server.predict() == (200, {"predictions": [1]})
    broken = server.get("/v1/models/m/versions/2")[1]["model_version_status"][0]
    assert broken["state"] == "END"
    assert broken["status"] == {"error_code": "NOT_FOUND", "error_message": "Could not find SavedModel"}
    server.versions(1)
    server.poll()
    server.versions(1, 2)
    server.poll()
    assert server.predict() == (200, {"predictions": [2]}), "it was away and came back"


def test_retries_as_often_as_the_flag_says(tmp_path: Path) -> None:
    server = Server(tmp_path, max_num_load_retries=3)
    server.versions(1)
    server.broken.add(1)
    with pytest.raises(ServingError):
        server.manager.start([server.model()])
    assert server.attempts == [1] * 4
    server = Server(tmp_path, max_num_load_retries=3)
    server.broken.add(1)
    server.before_load = lambda number: server.broken.clear() if len(server.attempts) == 3 else None
    server.manager.start([server.model()])
    assert server.states() == [(1, "AVAILABLE")]


def test_when_all_versions_vanish_nothing_is_served_and_the_status_still_says_200(server: Server) -> None:
    server.versions()
    server.poll()
    assert server.predict()[0] == 404
    assert server.get("/v1/models/m")[0] == 200, "TF Serving's bad habit, which probes must know"
    assert server.states() == [(1, "END")]
    assert server.get("/v1/models/m/metadata")[0] == 404


def test_when_the_base_path_vanishes_nothing_happens(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.versions()
    (server.folder / "m").rmdir()
    server.poll()
    assert server.predict() == (200, {"predictions": [1]})
    assert "filesystem access error: Could not find base path" in caplog.text


def test_one_base_path_that_is_missing_stops_the_look_for_all_models(server: Server) -> None:
    server.versions(1, name="n")
    thread = threading.Thread(
        target=server.manager.reload, args=([server.model(), server.model("n"), server.model("gone")],)
    )
    thread.start()
    server.versions(1, 2)
    for _ in range(3):
        server.poll()
    assert server.states() == [(1, "AVAILABLE")], "the new version of m is not seen"
    assert thread.is_alive(), "and the reload waits for models that do not come"
    server.versions(1, name="gone")
    while thread.is_alive():
        server.poll()
        thread.join(0.01)
    assert server.predict("n") == (200, {"predictions": [1]})
    assert server.states() == [(2, "AVAILABLE"), (1, "END")]


def test_a_first_version_that_is_broken_ends_the_start_in_tf_servings_words(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.versions(1)
    server.broken.add(1)
    with pytest.raises(ServingError) as caught:
        server.manager.start([server.model()])
    assert caught.value.text == (
        "UNKNOWN: 1 servable(s) did not become available: {{{name: m version: 1} due to error: NOT_FOUND: "
        "Could not find SavedModel}, }"
    )


def test_a_request_under_way_keeps_its_version(server: Server) -> None:
    server.versions(1, 2)
    with server.manager.using("m") as servable:
        unloading = threading.Thread(target=server.poll)
        unloading.start()
        while (1, "UNLOADING") not in server.states():
            pass
        assert servable.version == 1
        assert not servable.closed
        assert server.predict() == (200, {"predictions": [2]}), "new requests go to the new version"
    unloading.join(10)
    assert server.states() == [(2, "AVAILABLE"), (1, "END")]


def test_labels_and_the_rule_for_them(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.versions(1, 2)
    labelled = server.model(policy=ALL, labels={"stable": 1})
    with pytest.raises(ServingError) as caught:
        server.manager.start([labelled])
    assert caught.value.text == (
        "FAILED_PRECONDITION: Request to assign label to version 1 of model m, which is not currently "
        "available for inference"
    )
    server = Server(tmp_path, allow_version_labels_for_unavailable_models=True)
    server.manager.start([labelled])
    # One version is enough for the start; the other may still be loading.
    server.until((2, "AVAILABLE"), (1, "AVAILABLE"))
    assert server.predict("m/labels/stable") == (200, {"predictions": [1]})
    server.manager.reload([server.model(policy=ALL, labels={"stable": 2, "new": 9})])
    assert server.predict("m/labels/stable") == (200, {"predictions": [2]})
    assert server.predict("m/labels/new") == (
        404,
        {"error": "Servable not found for request: Specific(m, 9)"},
    )
    with pytest.raises(ServingError, match="version 7 of model m"):
        server.manager.reload([server.model(policy=ALL, labels={"stable": 7})])
    assert server.predict("m/labels/stable") == (200, {"predictions": [2]}), "moved labels must be available"


def test_a_reload_adds_and_removes_models(server: Server) -> None:
    server.versions(3, name="n")
    reload = threading.Thread(target=server.manager.reload, args=([server.model("n")],))
    reload.start()
    while reload.is_alive():
        server.poll()
        reload.join(0.01)
    assert server.predict("n") == (200, {"predictions": [3]})
    assert server.predict("m")[0] == 404
    assert server.states() == [(1, "END")]


def test_without_any_configuration_the_server_starts_and_serves_nothing(tmp_path: Path) -> None:
    server = Server(tmp_path)
    server.manager.start(None)
    assert server.predict()[0] == 404
    assert server.predict("m/labels/x") == (503, {"error": "Model labels does not init yet.x"})


def test_a_look_every_so_often(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    server.versions(1, 2)
    server.manager.tick()
    assert server.states() == [(1, "AVAILABLE")], "the start has just looked, the next look is a second away"


@pytest.mark.parametrize(
    ("children", "policy", "numbers"),
    [
        (["1", "2", "10"], VersionPolicy(), [10]),
        (["1", "2", "10"], VersionPolicy("latest", 2), [10, 2]),
        (["1", "2", "10"], VersionPolicy("latest", 0), [10]),
        (["1", "2", "x"], ALL, [1, 2]),
        (["1", "2"], VersionPolicy("specific", versions=frozenset({2, 7})), [2]),
        (["1.tmp", "v1", "99999999999999999999", "saved_model.pb"], ALL, []),
        ([], VersionPolicy(), []),
    ],
)
def test_what_a_policy_wants(children: list[str], policy: VersionPolicy, numbers: list[int]) -> None:
    assert sorted(wanted_versions(children, policy)) == sorted(numbers)


def test_a_folder_keeps_its_name() -> None:
    assert wanted_versions(["007"], VersionPolicy()) == {7: "007"}


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ([ModelConfig("m", "/a"), ModelConfig("m", "/b")], "Illegal to list model m multiple times in config list"),
        ([ModelConfig("m", "a/b")], "Expected model m to have an absolute path or URI; got base_path()=a/b"),
        ([ModelConfig("m", "/a", "other")], "Illegal to change a model's platform. For model m platform was tensorflow and new platform requested is other"),
        ([ModelConfig("m", "/a", "")], "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."),
    ],
)  # fmt: skip
def test_configurations_that_are_refused(models: list[ModelConfig], message: str) -> None:
    with pytest.raises(ServingError) as caught:
        validate(models, [ModelConfig("m", "gs://b/m")])
    assert (caught.value.code, caught.value.message) == (Code.INVALID_ARGUMENT, message)


STATES = ("START", "LOADING", "AVAILABLE", "UNLOADING", "END")
VERSIONS = st.lists(
    st.builds(
        Version,
        model=st.just("m"),
        number=st.integers(1, 9),
        path=st.just(""),
        wanted=st.booleans(),
        state=st.sampled_from(STATES),
    ),
    unique_by=lambda version: version.number,
)


@given(VERSIONS)
def test_what_is_wanted_is_there_before_anything_goes(versions: list[Version]) -> None:
    action = next_action(versions)
    wanted = [version for version in versions if version.wanted]
    if action is None:
        assert all(version.state != "START" for version in wanted)
        return
    verb, version = action
    if verb == "unload":
        assert not version.wanted
        assert version.state == "AVAILABLE"
        assert not wanted or any(other.state == "AVAILABLE" for other in wanted)
    else:
        assert (version.wanted, version.state) == (True, "START")


@given(VERSIONS)
def test_acting_comes_to_an_end_with_exactly_what_is_wanted(versions: list[Version]) -> None:
    for version in versions:
        if version.state in ("LOADING", "UNLOADING"):
            version.state = "END"
    for _ in range(2 * len(versions) + 1):
        action = next_action(versions)
        if action is None:
            break
        action[1].state = "AVAILABLE" if action[0] == "load" else "END"
    assert next_action(versions) is None
    answering = {version.number for version in versions if version.state == "AVAILABLE"}
    wanted = {version.number for version in versions if version.wanted and version.state != "END"}
    if wanted or not any(version.wanted for version in versions):
        assert answering == wanted


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), max_size=3),
    st.sets(st.integers(1, 4)),
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 4), max_size=3),
    st.booleans(),
)
def test_labels_never_move_to_what_does_not_answer(
    labels: dict[str, int], available: set[int], current: dict[str, int], allow: bool
) -> None:
    model = ModelConfig("m", "/m", labels=labels)
    refused = [
        label
        for label, version in labels.items()
        if version not in available and (not allow or current.get(label, version) != version)
    ]
    try:
        taken = checked_labels([model], {"m": available}, {"m": current}, allow_unavailable=allow)
    except ServingError as error:
        assert refused
        assert error.code is Code.FAILED_PRECONDITION
    else:
        assert not refused
        assert taken.get("m", {}) == labels
