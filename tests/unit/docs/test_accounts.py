"""The rules that stand for permissions of GKE in the life-cycle test."""

from __future__ import annotations

from tests.integration.accounts import rules


def test_permissions_become_the_rules_that_they_are_on_gke() -> None:
    assert rules(["container.clusters.get", "storage.objects.get"]) == []
    assert rules(["container.horizontalPodAutoscalers.list", "container.pods.getLogs"]) == [
        {"apiGroups": ["*"], "resources": ["horizontalpodautoscalers"], "verbs": ["list", "watch"]},
        {"apiGroups": ["*"], "resources": ["pods/log"], "verbs": ["get"]},
    ]
