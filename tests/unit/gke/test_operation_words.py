"""Operations in words."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import ApiError
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.client import is_busy
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.operations import (
    failure,
    progress_in_words,
    trouble,
)


@pytest.mark.parametrize(
    ("operation", "words", "advice"),
    [
        ({"error": {"code": 8, "message": "Quota 'IN_USE_ADDRESSES' exceeded. Limit: 8.0"}}, "IN_USE_ADDRESSES", "more quota"),
        ({"clusterConditions": [{"code": "GCE_STOCKOUT", "message": "no capacity"}]}, "no capacity", "another zone"),
        ({"nodepoolConditions": [{"canonicalCode": "RESOURCE_EXHAUSTED", "code": "GCE_QUOTA_EXCEEDED"}]}, "GCE_QUOTA_EXCEEDED", "more quota"),
        ({"clusterConditions": [{"code": "GKE_SERVICE_ACCOUNT_DELETED", "message": "gone"}]}, "gone", "roles/container.serviceAgent"),
        ({"clusterConditions": [{"code": "NODE_SERVICE_ACCOUNT_MISSING_PERMISSIONS", "message": "no"}]}, "no", "defaultNodeServiceAccount"),
        ({"clusterConditions": [{"code": "CLOUD_KMS_KEY_DESTROYED", "message": "key"}]}, "key", "roles/cloudkms"),
        ({"error": {"code": 9, "message": "IP_SPACE_EXHAUSTED: range too small"}}, "range too small", "larger range"),
        ({"error": {"code": 7, "message": "Permission denied."}}, "Permission denied.", "role that is missing"),
        ({"statusMessage": "Something else."}, "Something else.", ""),
        ({"error": {"code": 13}}, "error code 13", ""),
    ],
)  # fmt: skip
def test_a_failure_is_told_with_what_to_do(operation: dict[str, Any], words: str, advice: str) -> None:
    told = failure({"status": "DONE", **operation})
    assert told is not None
    assert words in told
    assert advice in told


@pytest.mark.parametrize(
    "operation", [{}, {"error": {}}, {"clusterConditions": [{"canonicalCode": "OK", "message": "fine"}]}]
)
def test_no_failure(operation: dict[str, Any]) -> None:
    assert failure({"status": "DONE", **operation}) is None


def test_progress() -> None:
    metrics = [
        {"name": "DEPLOYING", "intValue": "3"},
        {"name": "DEPLOYING_TOTAL", "intValue": "12"},
        {"name": "X", "stringValue": "y"},
    ]
    assert (
        progress_in_words({"detail": "starting", "progress": {"metrics": metrics}})
        == "starting, DEPLOYING 3/12, X y"
    )
    assert progress_in_words({"progress": {"stages": [{"metrics": metrics[:2]}]}}) == "DEPLOYING 3/12"
    assert progress_in_words({}) == ""


def test_trouble() -> None:
    assert trouble({"name": "c", "status": "RUNNING"}) is None
    assert trouble({"name": "c", "status": "DEGRADED"}) == "c is DEGRADED: Google gives no reason."
    words = trouble(
        {
            "name": "n",
            "status": "RUNNING_WITH_ERROR",
            "conditions": [{"code": "GCE_STOCKOUT", "message": "no GPUs"}],
        }
    )
    assert words == "n is RUNNING_WITH_ERROR: no GPUs."


@pytest.mark.parametrize(
    ("status", "reason", "message", "busy"),
    [
        (400, "CLUSTER_ALREADY_HAS_OPERATION", "x", True),
        (400, "", "Cluster is running incompatible operation operation-1-2.", True),
        (400, "", "Operation operation-1 is currently upgrading cluster c. Please wait and try again once it is done.", True),
        (400, "failedPrecondition", "The API is not enabled.", False),
        (403, "", "Insufficient quota", False),
    ],
)  # fmt: skip
def test_a_busy_cluster_is_recognised(status: int, reason: str, message: str, busy: bool) -> None:
    assert is_busy(ApiError(status, reason, message, "c")) is busy
