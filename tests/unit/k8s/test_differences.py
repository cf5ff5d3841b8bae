"""k8s_diff and k8s_objects_info on answers of an API server; what a real one says is in tests/loadtest."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s import listing
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.differences import Difference, compare
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.resources import Resources
from ansible_collections.mlops.tfserving.plugins.modules import k8s_diff
from hypothesis import given
from hypothesis import strategies as st
from kube_objects import Json
from scripted_api import ScriptedApi

KINDS = {
    "/api/v1": {
        "resources": [
            {"name": "namespaces", "kind": "Namespace", "namespaced": False},
            {"name": "pods", "kind": "Pod", "namespaced": True},
            {"name": "pods/log", "kind": "Pod", "namespaced": True},
            {"name": "configmaps", "kind": "ConfigMap", "namespaced": True},
        ]
    },
    "/apis/apps/v1": {"resources": [{"name": "deployments", "kind": "Deployment", "namespaced": True}]},
}
PATH = "/api/v1/namespaces/n/configmaps/c"
WANTED: Json = {
    "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": {"a": "1"},
}  # fmt: skip
MISSING = KubeError(404, "NotFound", 'PATCH …: namespaces "n" not found.')


def there(version: str = "7", **changed: Any) -> Json:
    return {**WANTED, "metadata": {**WANTED["metadata"], "resourceVersion": version, "uid": "u"}, **changed}


def server(*found: Json | None, after: Iterable[Json | KubeError] = ()) -> ScriptedApi:
    """What is there, look by look, and what each dry run answers."""
    looks, runs = iter(found), iter(after)
    return ScriptedApi(**KINDS, **{PATH: lambda _: next(looks), f"PATCH {PATH}": lambda _: next(runs)})


def compared(api: ScriptedApi, wanted: Json = WANTED, *, force: bool = True) -> Difference:
    return compare(api, Resources(api), wanted, "me", force=force)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.sampled_from(["spec", "data", "rules", "immutable"])
OBJECTS = st.dictionaries(NAMES, VALUES).map(lambda fields: there(**fields))
BOOKKEEPING = st.dictionaries(st.sampled_from(["managedFields", "resourceVersion", "generation"]), VALUES)


@given(OBJECTS, BOOKKEEPING, VALUES)
def test_who_wrote_and_how_often_is_no_difference(before: Json, bookkeeping: Json, status: Any) -> None:
    after = {**before, "metadata": {**before["metadata"], **bookkeeping}, "status": status}
    assert not Difference(WANTED, before, after).differs


@given(OBJECTS, BOOKKEEPING, st.tuples(st.booleans(), NAMES, VALUES))
def test_any_other_field_is_a_difference(
    before: Json, bookkeeping: Json, change: tuple[bool, str, Any]
) -> None:
    """A field of the object or of its metadata that has another value, or comes, or goes."""
    in_metadata, name, value = change
    after = copy.deepcopy(before)
    after["metadata"] |= bookkeeping
    part = after["metadata"] if in_metadata else after
    if name in part and part[name] == value:
        del part[name]
    else:
        part[name] = value
    assert Difference(WANTED, before, after).differs
    assert Difference(WANTED, after, before).differs


def test_it_is_the_api_server_that_is_asked_and_nothing_is_written() -> None:
    api = server(there(), after=[there(data={"a": "1", "b": "2"})])
    found = compared(api)
    assert found.differs
    assert found.after is not None
    assert found.after["data"] == {"a": "1", "b": "2"}
    ((path, body, kind),) = api.patches
    assert path == f"{PATH}?fieldManager=me&force=true&dryRun=All"
    assert (body, kind) == (WANTED, "application/apply-patch+yaml")


def test_an_object_that_others_change_meanwhile_is_looked_at_again() -> None:
    """An autoscaler wrote between the two requests, and what it wrote is no difference of ours."""
    before, scaled = there("7", data={"a": "0"}), there("8", data={"a": "1"})
    api = server(before, scaled, after=[scaled, scaled])
    assert not compared(api).differs
    assert len(api.patches) == 2


def test_an_object_that_never_rests_is_not_looked_at_for_ever() -> None:
    looks = [there(str(number)) for number in range(100)]
    api = server(*looks, after=[there(str(number)) for number in range(1, 101)])
    assert not compared(api).differs
    assert len(api.patches) < 10


def test_an_object_that_is_deleted_meanwhile_is_to_be_made() -> None:
    fresh = copy.deepcopy(WANTED)
    found = compared(server(there(), None, after=[fresh, fresh]))
    assert found.differs
    assert found.before is None


def test_what_is_not_there_is_to_be_made_and_so_is_what_has_no_namespace_yet() -> None:
    made = compared(server(None, after=[WANTED]))
    assert (made.differs, made.before, made.after) == (True, None, WANTED)
    nowhere = compared(server(None, after=[MISSING]))
    assert (nowhere.differs, nowhere.before, nowhere.after) == (True, None, None)


def test_a_namespace_that_goes_under_an_object_is_an_error() -> None:
    with pytest.raises(KubeError, match='namespaces "n" not found'):
        compared(server(there(), after=[MISSING]))


def test_a_conflict_is_told_in_the_api_servers_words() -> None:
    words = 'Apply failed with 1 conflict: conflict with "kubectl": .data.a'
    with pytest.raises(KubeError, match="Apply failed with 1 conflict") as raised:
        compared(server(there(), after=[KubeError(409, "Conflict", words)]), force=False)
    assert raised.value.reason == "Conflict"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"apiVersion": "apps/v1", "kind": "Deploiment"}, "the cluster has no Deploiment of apps/v1"),
        ({"apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor"}, "what brings it (a custom resource"),
        ({"metadata": {"name": "c"}}, "ConfigMap c: say in which namespace"),
    ],
)  # fmt: skip
def test_what_has_no_place_in_the_cluster_is_refused_before_anything_is_asked_of_it(
    wanted: Json, words: str
) -> None:
    api = server()
    with pytest.raises(KubeError) as raised:
        compared(api, {**WANTED, **wanted})
    assert words in raised.value.message
    assert api.patches == []


@pytest.mark.parametrize(
    "wrong",
    [
        {}, {"kind": ""}, {"apiVersion": 1}, {"metadata": None}, {"metadata": "c"}, {"metadata": {}},
        {"metadata": {"name": 5, "namespace": "n"}}, {"metadata": {"name": "c", "namespace": 5}},
    ],
)  # fmt: skip
def test_what_is_no_object_is_told_by_its_number(wrong: Json, capsys: pytest.CaptureFixture[str]) -> None:
    """Before a cluster is asked: there is none."""
    second = {**WANTED, **wrong} if wrong else {}
    options = {"definition": [WANTED, second], "field_manager": "me", "kubeconfig": "/nonexistent"}
    with patch_module_args(options), pytest.raises(SystemExit):
        k8s_diff.main()
    result = json.loads(capsys.readouterr().out)
    assert result["failed"]
    assert result["msg"].startswith("definition, object 2: it")


def read(api: ScriptedApi, **params: Any) -> list[Json]:
    given = {"api_version": "v1", "kind": "Pod", "namespace": None, "name": None, "label_selectors": []}
    return listing.read(api, {**given, **params})


def test_objects_are_read_where_they_are_and_say_what_they_are() -> None:
    pod: Json = {"metadata": {"name": "p"}}
    known = {"apiVersion": "v1", "kind": "Pod", **pod}
    api = ScriptedApi(
        **KINDS,
        **{
            "/api/v1/pods": [pod, pod], "/api/v1/namespaces/n/pods": [pod], "/api/v1/namespaces/n/pods/p": known,
            "/api/v1/namespaces/n": {"kind": "Namespace"},
            "/apis/apps/v1/namespaces/n/deployments": [pod],
        },
    )  # fmt: skip
    assert read(api) == [known, known], "of all namespaces"
    assert read(api, namespace="n") == [known]
    assert read(api, namespace="n", name="p") == [known]
    assert read(api, namespace="n", name="q") == []
    assert read(api, kind="Namespace", name="n", namespace="m") == [{"kind": "Namespace"}]
    (deployment,) = read(api, api_version="apps/v1", kind="Deployment", namespace="n")
    assert (deployment["apiVersion"], deployment["kind"]) == ("apps/v1", "Deployment")
    api.page, api.answers["/api/v1/pods"] = 2, [pod] * 5
    assert len(read(api)) == 5, "on three pages"
    api.answers["/api/v1/pods"] = [pod] * 25
    assert len(read(api)) == 25, (
        "whatever versions are served counts, and not only what the first ten pages tell"
    )


def test_a_name_without_its_namespace_and_a_kind_that_is_not_there_are_told() -> None:
    with pytest.raises(KubeError, match="name is p: say in which namespace, with namespace"):
        read(ScriptedApi(**KINDS), name="p")
    with pytest.raises(KubeError, match="the cluster has no Pods of v1: is it spelled right"):
        read(ScriptedApi(**KINDS), kind="Pods")


def test_a_name_can_not_lead_elsewhere() -> None:
    """Not to a pod's log, say."""
    assert (
        Resources(ScriptedApi(**KINDS)).path("v1", "Pod", "n", "p/log") == "/api/v1/namespaces/n/pods/p%2Flog"
    )
