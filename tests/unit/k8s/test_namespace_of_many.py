"""A namespace that was made here and that others use, too, stays."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.errors import KubeError
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.objects import MADE_HERE
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.teardown import remove

PARAMS = {"namespace": "n", "app": "m", "scope": "namespace", "whole": False}


class Api:
    """Lists by their resource; an error where it is one."""

    def __init__(self, **lists: Any) -> None:
        self._lists = lists

    def get_or_none(self, _: str) -> dict[str, Any]:
        return {"metadata": {"name": "n", "annotations": {MADE_HERE: "m"}}}

    def get(self, path: str, **_: Any) -> dict[str, Any]:
        found = self._lists.get(path.partition("?")[0].rpartition("/")[2], [])
        if isinstance(found, KubeError):
            raise found
        return {"items": found, "metadata": {}}


def removed(**lists: Any) -> dict[str, Any]:
    return remove(Api(**lists), PARAMS, check_mode=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("ingresses", "Ingress/shop"), ("daemonsets", "DaemonSet/shop"), ("statefulsets", "StatefulSet/shop"),
        ("resourcequotas", "ResourceQuota/shop"), ("limitranges", "LimitRange/shop"),
    ],
)  # fmt: skip
def test_what_others_have_there_keeps_it(resource: str, name: str) -> None:
    done = removed(**{resource: [{"metadata": {"name": "shop"}}]})
    assert done["removed"] == [] and f"holds what this site did not make: {name}" in done["kept"]


def test_google_s_own_quota_does_not() -> None:
    assert removed(resourcequotas=[{"metadata": {"name": "gke-resource-quotas"}}])["removed"] == [
        "Namespace/n"
    ]


def test_what_may_not_be_listed_does() -> None:
    done = removed(ingresses=KubeError(403, "Forbidden", "ingresses is forbidden"))
    assert done["removed"] == []
    assert "namespace n stays: this account may not list Ingress in it" in done["kept"]
