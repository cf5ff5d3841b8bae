"""A verdict about a pod needs more than one look: what passes changes nothing, what lasts names who said it."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
import test_model_by_grpc
from ansible_collections.mlops.tfserving.plugins.module_utils.protos import message
from fake_cluster import Ask, Cluster, Pod
from unlucky import FAULTS, Fault, Unlucky

RIGHT = {"name": "coffee", "instances": [[1.0, 2.0]], "expect": [[0.25, 0.75]]}
NONSENSE: dict[str, Fault] = {
    "an empty list": (200, {}, b'{"kind": "List", "items": []}'), "items: null": (200, {}, b'{"kind": "List", "items": null}'),
}  # fmt: skip
FULL: Fault = (503, {"retry-after": "1"}, b'{"error": "the queue of this replica is full"}')


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("fault", {**FAULTS, **NONSENSE}.values(), ids={**FAULTS, **NONSENSE})
def test_what_passes_changes_nothing(ask: Ask, fault: Fault, times: int) -> None:
    """Before every answer: of the API server, and of each pod, whether its state is asked or a prediction."""
    pods = Pod("w-1"), Pod("w-2")
    options: dict[str, Any] = {"version": 3, "golden": [RIGHT], "minimum_pods": 2}
    unlucky: Any = Unlucky(Cluster(*pods).answer, fault, times, methods=("GET", "POST"))
    result = ask(cluster=unlucky, **options)
    assert not result.get("failed"), result
    del result["invocation"]
    with_luck = ask(*pods, **options)
    del with_luck["invocation"]
    assert result == with_luck


def test_a_full_queue_while_latency_is_measured_is_no_verdict(ask: Ask) -> None:
    answers = iter([[[0.25, 0.75]], [[0.25, 0.75]], (503, {"error": "the queue of this replica is full"})])
    pod = Pod("w-1", predict=lambda _: next(answers, [[0.25, 0.75]]))
    result = ask(pod, version=3, golden=[RIGHT], latency={"requests": 4})
    assert not result.get("failed"), result
    assert result["pods"][0]["latency"]["m/3"]["requests"] == 4


def test_a_queue_that_stays_full_is_told_as_the_pods(ask: Ask) -> None:
    pod = Pod("w-1", predict=lambda _: (503, {"error": "the queue of this replica is full"}))
    result = ask(pod, version=3, golden=[RIGHT])
    assert result["failed"]
    assert "the queue of this replica is full. The pod's proxy says so" in result["msg"]
    assert "no answer" not in result["msg"]
    assert "Is the cluster running" not in result["msg"]


def test_a_wrong_answer_is_wrong_at_the_first_look(ask: Ask) -> None:
    """Else a pod that answers wrongly now and then would pass."""
    answers = iter([[[0.5, 0.5]]])
    result = ask(Pod("w-1", predict=lambda _: next(answers, [[0.25, 0.75]])), version=3, golden=[RIGHT])
    assert result["failed"]
    assert "expected 0.25, got 0.5" in result["msg"]


def test_by_grpc_too(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = iter([grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED])

    def status(request: Any, context: grpc.ServicerContext) -> Any:
        code = next(codes, None)
        if code is not None:
            context.abort(code, "the queue of this replica is full")
        answer = message("GetModelStatusResponse")
        answer.model_version_status.add(version=3, state=30)
        return answer

    monkeypatch.setitem(
        test_model_by_grpc.METHODS, "ModelService", {"GetModelStatus": (status, "GetModelStatusRequest")}
    )
    with test_model_by_grpc.model_server() as port:
        result = ask(Pod("w-1", grpc_port=port), protocol="grpc", version=3)
    assert not result.get("failed"), result
