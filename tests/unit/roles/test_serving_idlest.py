"""The idlest replicas go first: what is noted at which, what a proxy says of itself, and the objects around it."""

from __future__ import annotations

import importlib.util
import random
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.teardown import OWN_KINDS, judge
from haproxy import Server, proxy, until
from serving_role import evaluate, files_of, render
from test_serving_load import ask

Json = dict[str, Any]
SCRIPT = Path(__file__).resolve().parents[3] / "roles/serving/files/idlest.py"
NAME = "image-classifier-idlest"
ON = {"serving_idlest_first": "true"}


def load_program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("idlest", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["idlest"] = module
    spec.loader.exec_module(module)
    return module


idlest = load_program()


def pods(owner: str = "r", **costs: int) -> list[Any]:
    return [idlest.Pod(name, "192.0.2.1", owner, cost) for name, cost in costs.items()]


@pytest.mark.parametrize(
    ("there", "under_way", "noted"),
    [
        pytest.param(
            pods(a=0, b=0), {"a": 0.0, "b": 3.0}, {"b": 3}, id="one is busy, and neither has a note"
        ),
        pytest.param(pods(a=0, b=3), {"a": 0.0, "b": 3.0}, {}, id="it is noted"),
        pytest.param(pods(a=0, b=0), {"a": 2.0, "b": 4.0}, {}, id="none is clearly busier"),
        pytest.param(pods(a=0, b=0), {"a": 8.0, "b": 9.0}, {}, id="all are as busy"),
        pytest.param(
            pods(a=0, b=3), {"a": 20.0, "b": 80.0}, {}, id="much more to do, and in the right order"
        ),
        pytest.param(pods(a=0, b=3), {"a": 3.0, "b": 0.0}, {"a": 3, "b": 0}, id="the other way round"),
        pytest.param(pods(a=0, b=0), {"a": 0.0}, {}, id="of the other nothing is known"),
        pytest.param(
            pods(a=0, b=9, c=0), {"a": 0.0, "c": 3.0}, {"c": 3}, id="who is not known keeps its note"
        ),
        pytest.param([*pods("r", a=0), *pods("s", b=0)], {"a": 0.0, "b": 9.0}, {}, id="of two ReplicaSets"),
        pytest.param(
            pods(a=100, b=0), {"a": 0.0, "b": 3.0}, {"a": 0, "b": 3}, id="somebody else's note is in the way"
        ),
    ],
)
def test_what_is_noted(there: list[Any], under_way: dict[str, float], noted: dict[str, int]) -> None:
    assert idlest.notes(there, under_way) == noted


@pytest.mark.parametrize("seed", range(200))
def test_notes_come_to_rest_in_an_order_that_is_right(seed: int) -> None:
    """Whatever was noted before, after so many looks as it takes, a few notes each; then none follow."""
    chance = random.Random(seed)
    under_way = {
        f"p{number}": chance.choice((0, 60)) * chance.random() for number in range(chance.randint(1, 40))
    }
    costs = {name: chance.randint(-3, 12) for name in under_way}
    for _ in range(len(under_way)):
        noted = idlest.notes(pods(**costs), under_way)
        assert len(noted) <= idlest.NOTES_MAX
        if not noted:
            break
        costs |= noted
    assert idlest.notes(pods(**costs), under_way) == {}
    for busy, much in under_way.items():
        for idle, little in under_way.items():
            assert 1 + much < 2 * (1 + little) or costs[busy] > costs[idle], (busy, idle)


def test_a_load_that_is_the_same_everywhere_is_hardly_ever_noted() -> None:
    """Three replicas, each busy for 60 % of the time, whose queues come and go by chance: for four hours."""
    chance, costs, count = random.Random(1), dict.fromkeys("abc", 0), 0
    reads: dict[str, list[float | None]] = {name: [] for name in costs}
    for _ in range(4 * 60 * 4):
        for read in reads.values():
            for _ in range(idlest.LOOK_READS):
                length = 0  # of a queue in equilibrium: geometric
                while chance.random() < 0.6:
                    length += 1
                read.append(length)
            del read[: -idlest.AVERAGED_READS]
        means = {name: value for name, read in reads.items() if (value := idlest.mean(read)) is not None}
        noted = idlest.notes(pods(**costs), means)
        costs |= noted
        count += len(noted)
    assert count < 4 * 60, "more than one a minute"


def test_reads_that_failed_are_none() -> None:
    assert idlest.mean([3.0] * 5) is None, "too few"
    assert idlest.mean([None, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, None]) == 2
    assert idlest.mean([None] * 12) is None


def item(**changes: Any) -> Json:
    meta = {"name": "p", "ownerReferences": [{"uid": "r", "controller": True}]} | changes.pop("meta", {})
    status = {"podIP": "192.0.2.1", "conditions": [{"type": "Ready", "status": "True"}]} | changes.pop(
        "status", {}
    )
    return {"metadata": meta, "status": status}


@pytest.mark.parametrize(
    ("found", "cost"),
    [
        (item(), 0),
        (item(meta={"annotations": {idlest.COST: "7"}}), 7),
        (item(meta={"annotations": {idlest.COST: "-1"}}), -1),
        (item(meta={"annotations": {idlest.COST: "high"}}), 0),
        (item(meta={"deletionTimestamp": "2026-01-01T00:00:00Z"}), None),
        (item(meta={"ownerReferences": []}), None),
        (item(status={"podIP": None}), None),
        (item(status={"conditions": [{"type": "Ready", "status": "False"}]}), None),
        ({"metadata": {"name": "p"}}, None),
    ],
)
def test_which_pods_count(found: Json, cost: int | None) -> None:
    read = idlest.parse_pod(found)
    assert (read and read.cost) == cost
    assert read is None or read == ("p", "192.0.2.1", "r", cost)


def test_what_a_proxy_has_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of HAProxy with the role's configuration: what waits counts, connections that are idle don't."""
    server = Server()
    text = files_of(serving_concurrency=2)["haproxy.cfg"]
    try:
        with proxy(tmp_path, text, rest=server.port) as ports:
            monkeypatch.setattr(idlest, "PORT", ports["status"])
            assert idlest.read("127.0.0.1") == 0
            idle = socket.create_connection(("127.0.0.1", ports["rest"]))
            asked = [ask(ports["rest"]) for _ in range(5)]
            until(lambda: idlest.read("127.0.0.1") == 5)
            server.released.set()
            assert [one.getresponse().status for one in asked] == [200] * 5
            until(lambda: idlest.read("127.0.0.1") == 0)
            idle.close()
    finally:
        server.close()


@contextmanager
def answering_with(text: bytes, *, every: float = 0) -> Iterator[int]:
    """A port that answers so to the first who asks, byte by byte where ``every`` says so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                try:
                    if not every:
                        connection.sendall(text)
                    for byte in text if every else b"":
                        connection.sendall(bytes([byte]))
                        time.sleep(every)
                except OSError:
                    return

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield listener.getsockname()[1]


METRIC = b'haproxy_backend_current_sessions{proxy="rest"} 4\n'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + METRIC + METRIC.replace(b"rest", b"grpc"), 8),
        (b"HTTP/1.1 200 OK\r\n\r\n" + METRIC.replace(b"rest", b"status"), None),
        (b"HTTP/1.1 503 no\r\n\r\n" + METRIC, None),
        (b"", None),
    ],
)
def test_an_answer_that_says_nothing_is_none(
    text: bytes, found: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering_with(text) as port:
        monkeypatch.setattr(idlest, "PORT", port)
        assert idlest.read("127.0.0.1") == found


def test_one_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idlest, "POD_SECONDS", 0.5)
    with answering_with(b"HTTP/1.1 200 OK\r\n\r\n" + METRIC * 100, every=0.1) as port:
        monkeypatch.setattr(idlest, "PORT", port)
        assert idlest.read("127.0.0.1") is None
    assert idlest.read("127.0.0.1") is None, "nobody is there"


@pytest.fixture(scope="module")
def objects() -> dict[str, Json]:
    return render("idlest", **ON)


def test_nothing_is_made_unless_asked_for(objects: dict[str, Json]) -> None:
    assert "idlest.yml.j2" not in evaluate("serving_templates")
    assert "idlest.yml.j2" in evaluate("serving_templates", **ON)
    assert {one["metadata"]["name"] for one in objects.values()} == {NAME, f"tfserving.{NAME}"}


def test_teardown_takes_all_that_is_in_the_namespace(objects: dict[str, Json]) -> None:
    there = [(one["kind"], one) for one in objects.values() if "namespace" in one["metadata"]]
    assert {kind for kind, _ in there} <= {*OWN_KINDS}
    verdict = judge({"metadata": {"name": "n"}}, there, "image-classifier", whole=False)
    assert {f"{kind}/{name}" for kind, name in verdict.going} == {f"{kind}/{NAME}" for kind, _ in there}


def test_what_is_made_can_be_removed_without_being_asked_for(objects: dict[str, Json]) -> None:
    """By whoever switches it off: its rights last, and what holds them after these."""
    made = evaluate("serving_idlest_objects")
    assert {f"{one['kind']}/{one['metadata']['name']}" for one in made} == {*objects}
    order = [one["kind"] for one in made]
    assert (
        order.index("ValidatingAdmissionPolicyBinding")
        < order.index("RoleBinding")
        < order.index("Deployment")
    )


@pytest.mark.parametrize(
    ("marked", "wanted", "left"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_the_deployment_remembers_it(marked: bool, wanted: bool, left: bool) -> None:
    notes = {"mlops.tfserving/idlest-first": "true"} if marked else {}
    present = {"metadata": {"name": "image-classifier", "annotations": notes}, "spec": {"replicas": 1}}
    running = {"serving_running": {"resources": [present]}, "serving_idlest_first": wanted}
    assert evaluate("serving_idlest_left", **running) is left
    (made,) = render("deployment", **running).values()
    assert ("mlops.tfserving/idlest-first" in made["metadata"]["annotations"]) == wanted


def test_it_changes_no_pods_of_the_model_server() -> None:
    """Switching it on or off is no rollout."""
    assert evaluate("serving_pod_hash", **ON) == evaluate("serving_pod_hash")


def test_what_it_may_do_and_what_it_runs_as(objects: dict[str, Json]) -> None:
    assert objects[f"Role/{NAME}"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "patch"]}
    ]
    policy = objects[f"ValidatingAdmissionPolicy/tfserving.{NAME}"]["spec"]
    assert policy["failurePolicy"] == "Fail"
    assert policy["matchConditions"][0]["expression"].endswith(f'"system:serviceaccount:tfserving:{NAME}"')
    assert objects[f"ValidatingAdmissionPolicyBinding/tfserving.{NAME}"]["spec"]["validationActions"] == [
        "Deny"
    ]
    spec = objects[f"Deployment/{NAME}"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    (only,) = spec["containers"]
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert only["resources"]["requests"] == only["resources"]["limits"] == {"cpu": "50m", "memory": "64Mi"}


def test_program_and_role_name_the_same_annotation_and_port() -> None:
    assert evaluate("serving_idlest_annotation") == idlest.COST
    ports = render("access")["NetworkPolicy/image-classifier"]["spec"]["ingress"][0]["ports"]
    assert idlest.PORT in [one["port"] for one in ports]
