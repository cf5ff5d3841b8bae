"""A Deployment's pods are told by their names, however long these are, and from those of its neighbours."""

from __future__ import annotations

import re

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.k8s.pod_names import pods_of
from kube_names import pod_name

LONGEST = 52
"""A ``serving_name``'s."""
HASHES = ["5d4f7c9b8x"[:length] for length in range(1, 11)]


def found(deployment: str, others: list[str]) -> list[str]:
    names = [pod_name(other, one) for other in others for one in HASHES]
    assert all(len(name) <= 63 for name in names)
    return [name for name in names if re.fullmatch(pods_of(deployment), name)]


@pytest.mark.parametrize("length", range(1, LONGEST + 1))
def test_all_pods_of_a_deployment_are_found_and_no_neighbours(length: int) -> None:
    site = "m" * length
    all_of_it = [site, f"{site}-canary", f"{site}-hold"]
    for one in all_of_it:
        others = [other for other in all_of_it if other != one]
        assert len(found(one, [one])) == len(HASHES)
        assert found(one, others) == []


@pytest.mark.parametrize("length", range(1, LONGEST + 1))
def test_a_site_whose_name_begins_alike_is_another(length: int) -> None:
    site = "m" * length
    longer = [f"{site}-{'v' * more}" for more in range(1, LONGEST - length)]
    assert found(site, [*longer, f"{site}m", site[:-1] or "n"]) == []


def test_a_name_with_a_dot_is_no_pattern() -> None:
    assert not re.fullmatch(pods_of("m.x"), pod_name("mzx"))
