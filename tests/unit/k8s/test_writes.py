"""What is applied and removed by kubernetes.core: an answer that was lost is neither a failure nor a change more."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import TRANSIENT
from ansible_collections.mlops.tfserving.plugins.test.settled import settled
from unlucky import FAULTS, Fault, Unlucky, _Handler

sys.path.append(str(Path(__file__).parents[1] / "roles"))

from played import HEAD, run

Json = dict[str, Any]
PATH = "/api/v1/namespaces/n/configmaps/c"
OURS = {"app.kubernetes.io/managed-by": "mlops.tfserving"}
WANTED: Json = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n", "labels": OURS}, "data": {"a": "1"},
}  # fmt: skip
KINDS = [
    {
        "name": "configmaps",
        "singularName": "configmap",
        "kind": "ConfigMap",
        "namespaced": True,
        "verbs": ["get"],
    }
]
KNOWN = {
    "/version": {"major": "1", "minor": "36", "gitVersion": "v1.36.0"},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": KINDS},
}
REMOVE: list[Json] = [
    {"mlops.tfserving.k8s_objects_info": {"kind": "ConfigMap", "namespace": "n", "name": "c"}, "register": "found"},
    {
        "ansible.builtin.include_role": {"name": "mlops.tfserving.cluster", "tasks_from": "remove.yml"},
        "vars": {"cluster_unwanted": "{{ found.resources }}"},
    },
]  # fmt: skip
WITH_LUCK = {"changed": 2, "failed": 0, "rescued": 0, "ignored": 0}


class Server:
    """One ConfigMap. ``lost``: of how many writes of each kind the answer gets lost after they were done, and how."""

    def __init__(self, there: Json | None = None, lost: int = 0, by: Fault = "reset") -> None:
        self.there, self.lost, self.by = there, lost, by
        self.refusal: tuple[int, Json] | None = None
        self.written: list[str] = []

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, Any]:
        if path in KNOWN:
            return 200, KNOWN[path]
        assert path == PATH
        given = json.loads(body) if body else {}
        if method == "PATCH":
            made = {**given, "metadata": {**given["metadata"], "uid": "u", "resourceVersion": "1"}}
            if "dryRun" in query:
                return 200, made
            return self.wrote(method, made, made)
        if self.there is None:
            return status(404, "NotFound")
        if method == "DELETE" and "dryRun" not in query:
            assert given["preconditions"]["uid"] == "u"
            return self.wrote(method, None, self.there)
        return 200, self.there

    def wrote(self, method: str, then: Json | None, answer: Json) -> tuple[int, Json]:
        self.written.append(method)
        if self.refusal:
            return self.refusal
        self.there = then
        return 200, answer


class Losing(_Handler):
    """Does what is written, and then does not say so."""

    def do_GET(self) -> None:
        server: Server = self.unlucky.answer.__self__  # type: ignore[attr-defined]
        before = len(server.written)
        send, self._send = self._send, lambda *answer: answers.append(answer)  # type: ignore[method-assign]
        answers: list[Any] = []
        super().do_GET()
        self._send = send  # type: ignore[method-assign]
        if len(server.written) > before and server.written.count(self.command) <= server.lost:
            self._fail(server.by)
        else:
            self._send(*answers[0])

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET


def status(code: int, reason: str) -> tuple[int, Json]:
    words = {
        "kind": "Status",
        "status": "Failure",
        "reason": reason,
        "message": f"{reason} it is",
        "code": code,
    }
    return code, {"apiVersion": "v1", **words}


def there(**data: str) -> Json:
    return {**WANTED, "metadata": {**WANTED["metadata"], "uid": "u", "resourceVersion": "1"}, "data": data}


def played(
    folder: Path, server: Server, fault: str = "503", times: int = 0, *arguments: str
) -> tuple[int, str, Json]:
    """As roles do it: what differs is applied, and what is found removed."""
    role = {"name": "mlops.tfserving.cluster"}
    apply: list[Json] = [
        {"mlops.tfserving.k8s_diff": {"definition": [WANTED], "field_manager": "m"}, "register": "compared"},
        {
            "ansible.builtin.include_role": {**role, "tasks_from": "apply.yml"},
            "vars": {"cluster_pending": "{{ compared.pending }}"}, "when": "compared.pending | length > 0",
        },
    ]  # fmt: skip
    return play(folder, server, [*apply, *REMOVE], fault, times, *arguments)


def play(
    folder: Path, server: Server, tasks: list[Json], fault: str = "503", times: int = 0, *arguments: str
) -> tuple[int, str, Json]:
    way = Unlucky(server.answer, FAULTS[fault], times, methods=("GET", "PATCH", "DELETE"))
    with way.served(Losing) as served:
        (folder / "kubeconfig").write_text(json.dumps(served.kubeconfig))
        connection = {"kubeconfig": str(folder / "kubeconfig")}
        defaults = {"group/mlops.tfserving.k8s": connection, "group/kubernetes.core.k8s": connection}
        # What it discovers it keeps in a temporary folder.
        return run(
            folder, [{**HEAD, "module_defaults": defaults, "tasks": tasks}], {"TMPDIR": str(folder)},
            "-e", "cluster_retry_seconds=0", *arguments,
        )  # fmt: skip


def with_luck(result: tuple[int, str, Json]) -> bool:
    code, output, counts = result
    assert code == 0, output
    return WITH_LUCK.items() <= counts.items()


@pytest.mark.parametrize("fault", ["503", "page of a proxy"])
def test_a_bad_answer_before_every_request_changes_nothing(tmp_path: Path, fault: str) -> None:
    server = Server()
    assert with_luck(played(tmp_path, server, fault, 1))
    assert (server.written, server.there) == (["PATCH", "DELETE"], None)


@pytest.mark.parametrize("fault", ["504", "reset"])
def test_a_write_whose_answer_was_lost_is_one_change(tmp_path: Path, fault: str) -> None:
    server = Server(lost=1, by=FAULTS[fault])
    assert with_luck(played(tmp_path, server))
    assert server.there is None
    assert server.written.count("PATCH") == 2
    assert server.written.count("DELETE") == 1, "the very object, once"


def test_a_check_writes_nothing_and_shows_what_would_change(tmp_path: Path) -> None:
    server = Server(there(a="0"))
    result = played(tmp_path, server, "503", 0, "--check", "--diff")
    assert with_luck(result)
    assert server.written == []
    words = result[1].replace(" ", "")
    assert '-"a":"0"' in words and '+"a":"1"' in words, result[1]
    assert "resourceVersion" not in words


def test_what_is_as_wanted_is_not_written(tmp_path: Path) -> None:
    server = Server(there(a="1"))
    code, output, counts = played(tmp_path, server)
    assert (code, counts["changed"], server.written) == (0, 1, ["DELETE"]), output


def test_a_refusal_is_told_at_once(tmp_path: Path) -> None:
    server = Server()
    server.refusal = status(403, "Forbidden")
    code, output, counts = played(tmp_path, server)
    assert (code, counts["failed"], server.written) == (2, 1, ["PATCH"])
    assert "Forbidden it is" in output


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 413, 415, 422, *TRANSIENT])
def test_which_refusals_are_final(code: int) -> None:
    """Of what is not there the next look finds that it is gone, where it was to be removed."""
    body = json.dumps(status(code, "Reason")[1])
    failed = {"failed": True, "reason": "Some Phrase", "msg": f"Failed to apply object: {body}"}
    assert settled(failed) is (code not in {*TRANSIENT, 404})
    assert settled({**failed, "msg": f"Failed to apply object: {body.encode()!r}"}) is settled(failed)


@pytest.mark.parametrize(
    "words",
    [
        "Failed to apply object: <!doctype html><html><title>Sign in</title></html>",
        'Failed to apply object: {"error": "the queue of this replica is full"}',
        "Failed to apply object: Expecting value: line 1 column 1 (char 0)",
        "Failed to find exact match for v1.ConfigMap by [kind, name, singularName, shortNames]",
        "Task failed: Module failed: 503\nReason: Service Unavailable\nHTTP response headers: HTTPHeaderDict({'Server': 'x'})",
        "HTTPConnectionPool(host='h', port=1): Max retries exceeded with url: /api/v1 (Caused by ProtocolError('aborted.'))",
        'Failed to apply object: {"kind": "Status", "code": "403"}',
        'Failed to apply object: ["kind", {"code": 403}]',
        "MODULE FAILURE",
        "",
    ],
)
def test_all_else_may_pass(words: str) -> None:
    """As kubernetes.core 6.2 says it."""
    assert not settled({"failed": True, "msg": words})


@pytest.mark.parametrize("labels", [None, {}, {"app.kubernetes.io/managed-by": "Helm"}])
def test_what_others_made_under_such_a_name_is_not_removed(
    tmp_path: Path, labels: dict[str, str] | None
) -> None:
    theirs = there(a="1")
    theirs["metadata"] = {**theirs["metadata"], "labels": labels}
    server = Server(theirs)
    code, output, counts = play(tmp_path, server, REMOVE)
    assert (code, counts["changed"], server.written) == (0, 0, []), output


def test_a_success_is_final() -> None:
    assert settled({"changed": True, "failed": False})
    assert settled({"skipped": True})
