"""Names that no role and no playbook has are refused, and what is ignored is ignored by the role, too."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.findings import kept
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.renamed import RENAMED
from ansible_collections.mlops.tfserving.plugins.plugin_utils.names import owners, unknown
from serving_role import evaluate

EVERYWHERE = owners()
RANGES: dict[str, Any] = {"serving_source_ranges": ["203.0.113.0/24"]}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("serving_memoy", "Write serving_memory,"),
        ("autoscaling_max_replica", "Write autoscaling_max_replicas,"),
        ("loadtest_setle_timeout", "Write loadtest_settle_timeout,"),
        ("teardown_clustr", "Write teardown_cluster,"),
        ("promote_verson", "Write promote_version,"),
        ("tune_aply", "Write tune_apply,"),
        ("status_wach", "Write status_watch,"),
        ("tune_foundd", "Write tune_run,"),
        ("gcp_impersonate_service_acount", "Write gcp_impersonate_service_account,"),
        ("cluster_binary_authorization", ""),
        ("storage_of_something_else", ""),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest(name: str, near: str) -> None:
    (finding,) = unknown([name, "serving_memory", "somebody", "gcp_zone", "gcp_cred_kind"], EVERYWHERE)
    assert (finding.id, finding.severity, finding.variable) == ("unknown-variable", "error", name)
    assert near in finding.hint
    assert f"preflight_ignore: [unknown-variable:{name}]" in finding.hint


def test_what_roles_and_playbooks_set_themselves_is_known() -> None:
    own = ["serving_pod", "storage_model_uri", "cluster_kubeconfig", "loadtest_report", "rollback_found", "preflight_found",
           "promote_several", "serving_index"]  # fmt: skip
    assert list(unknown(own, EVERYWHERE)) == []


def test_an_old_name_is_a_warning_with_the_new_one() -> None:
    for old, new in RENAMED.items():
        (finding,) = unknown([old], EVERYWHERE)
        assert (finding.id, finding.severity) == ("renamed-variable", "warning")
        assert f"{old} is now called {new}" in finding.message


def test_a_role_looks_at_its_own_names() -> None:
    assert [one.variable for one in unknown(["serving_x", "cluster_x"], ["serving"])] == ["serving_x"]


def test_one_is_ignored_and_the_other_is_not() -> None:
    found = unknown(["cluster_owner", "cluster_nmae"], EVERYWHERE)
    assert [one.variable for one in kept(found, ["unknown-variable:cluster_owner"], ())] == ["cluster_nmae"]


@pytest.mark.parametrize(
    ("variables", "words", "ignore"),
    [
        ({"serving_memoy": "16Gi"}, "there is no variable serving_memoy", "unknown-variable:serving_memoy"),
        ({"serving_source_ranges": []}, "anybody could use the model", "source-ranges"),
        ({"serving_handover_seconds": 700}, "kills it after 600 s", "grace-limit"),
        ({"serving_cpu": "0"}, "no container starts", "variables:serving_cpu"),
        ({"serving_max_unavailable": 0}, "keeps every node", "budget-blocks-draining"),
        (
            {"serving_model_bytes": 300 * 2**20, "serving_memory": "400Mi"},
            "it is there 2 times",
            "model-memory",
        ),
    ],
)
def test_what_is_ignored_is_ignored_by_the_role(variables: dict[str, Any], words: str, ignore: str) -> None:
    """Which refused it after the cluster was made, whatever preflight_ignore said."""
    (told,) = evaluate("serving_problems", **RANGES | variables)
    assert words in told
    assert evaluate("serving_problems", **RANGES | variables, preflight_ignore=[ignore]) == []
    assert evaluate("serving_problems", **RANGES | variables, preflight_ignore=f"threads, {ignore}") == []


def test_what_a_module_refuses_all_the_same_is_not_ignored() -> None:
    (told,) = evaluate("serving_problems", **RANGES, serving_gpus="many", preflight_ignore=["types"])
    assert told.startswith("[types] ") and "serving_gpus" in told
