"""By what a resource is known as a site's, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.leftovers.judge import unread
from ansible_collections.mlops.tfserving.plugins.module_utils.leftovers.marks import token
from ansible_collections.mlops.tfserving.plugins.module_utils.leftovers.site import Answers
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.project import Unread
from things import BALANCER, LINKS, SITE, TAG, cluster, found, names, service, thing, words

ZONE = "zones/us-central1-f"
MADE = {"made-by": "mlops-tfserving"}
NODE = "gke-c-default-pool-0a1b2c3d-x1y2"


@pytest.mark.parametrize(
    ("noun", "item"),
    [
        ("instances", thing("instances", "n", ZONE, labels={"goog-k8s-cluster-name": "c"})),
        ("instances", thing("instances", "n", ZONE, metadata={"items": [{"key": "cluster-name", "value": "c"}]})),
        ("instances", thing("instances", NODE, ZONE)),
        ("disks", thing("disks", NODE, ZONE)),
        ("disks", thing("disks", "pvc-1", ZONE, labels={
            "goog-gke-volume": "", "goog-k8s-cluster-name": "c", "goog-k8s-cluster-location": "us-central1-f"})),
        ("disks", thing("disks", "pvc-1", ZONE, description=words(**{
            "kubernetes.io/created-for/pvc/namespace": "tfserving"}))),
        ("firewalls", thing("firewalls", "gke-c-0a1b2c3d-all", "global", targetTags=[TAG])),
        ("firewalls", thing("firewalls", f"k8s-fw-{BALANCER}", "global", targetTags=[TAG])),
        ("forwardingRules", thing("forwardingRules", BALANCER, description=service("tfserving/image-classifier"))),
        ("targetPools", thing("targetPools", BALANCER, instances=[f"{LINKS}/{ZONE}/instances/{NODE}"])),
        ("backendServices", thing("backendServices", "k8s2-x", backends=[
            {"group": f"{LINKS}/{ZONE}/instanceGroups/gke-c-default-pool-0a1b2c3d-grp"}])),
        ("networkEndpointGroups", thing("networkEndpointGroups", "k8s1-x", ZONE, description=words(**{
            "cluster-uid": "u", "namespace": "tfserving", "service-name": "image-classifier", "port": "8501"}))),
        ("addresses", thing("addresses", "endpoint", status="RESERVED")),
        ("addresses", thing("addresses", "other", labels=MADE)),
    ],
    ids=lambda value: value if isinstance(value, str) else value["name"],
)  # fmt: skip
def test_a_mark_is_enough(noun: str, item: dict[str, Any]) -> None:
    assert names(found({noun: [item]})) == {item["name"]}


@pytest.mark.parametrize(
    ("noun", "item"),
    [
        ("instances", thing("instances", "mine", ZONE)),
        ("instances", thing("instances", "n", ZONE, labels={"goog-k8s-cluster-name": "c-2"})),
        ("instances", thing("instances", "n", ZONE, labels={
            "goog-k8s-cluster-name": "c", "goog-k8s-cluster-location": "us-east1-b"})),
        ("instances", thing("instances", "n", ZONE, labels=MADE | {"goog-k8s-cluster-name": "c-2"})),
        ("instances", thing("instances", "gke-c-2-default-pool-0a1b2c3d-x1y2", ZONE)),
        ("instances", thing("instances", "gke-cc-default-pool-0a1b2c3d-x1y2", ZONE)),
        ("disks", thing("disks", "pvc-1", ZONE, description=words(**{
            "kubernetes.io/created-for/pvc/namespace": "theirs"}))),
        ("disks", thing("disks", "pvc-1", ZONE, description="{no JSON")),
        ("firewalls", thing("firewalls", "allow-ssh", "global", targetTags=["web", "gke-c-2-0a1b2c3d-node"])),
        ("forwardingRules", thing("forwardingRules", BALANCER, description=service("theirs/image-classifier"))),
        ("targetPools", thing("targetPools", BALANCER, instances=[
            f"{LINKS}/{ZONE}/instances/gke-c-2-default-pool-0a1b2c3d-x1y2"])),
        ("addresses", thing("addresses", "endpoint-2", status="RESERVED")),
    ],
    ids=lambda value: value if isinstance(value, str) else value["name"],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(noun: str, item: dict[str, Any]) -> None:
    others = [cluster("c-2"), cluster("c", "us-east1-b")]
    assert found({noun: [item]}, clusters=others) == []


def test_what_shares_a_load_balancer_s_name_or_leads_to_it_belongs_to_it() -> None:
    """Only the firewall rule says whose nodes it is for, and another cluster has a Service of that name."""
    pool = thing("targetPools", BALANCER)
    group = thing("networkEndpointGroups", "k8s1-1a2b3c4d-tfserving-x-8501-0a0a0a0a", ZONE)
    compute = {
        "firewalls": [
            thing("firewalls", f"k8s-fw-{BALANCER}", "global", targetTags=[TAG]),
            thing("firewalls", "k8s-fw-l7--1a2b3c4d5e6f7a8b", "global", targetTags=[TAG]),
        ],
        "targetPools": [pool],
        "forwardingRules": [
            thing("forwardingRules", BALANCER, target=pool["selfLink"], description=service("tfserving/x"))
        ],
        "networkEndpointGroups": [group],
        "backendServices": [
            thing("backendServices", "gkegw1-ab12-x", "global", backends=[{"group": group["selfLink"]}])
        ],
    }
    ones = found(compute, clusters=[cluster("prod")])
    assert len(names(ones)) == 5, ones
    assert {one.of for one in ones} == {"service"}


def test_what_only_names_a_service_is_not_sure_while_there_are_other_clusters() -> None:
    rule = thing("forwardingRules", BALANCER, description=service("tfserving/image-classifier"))
    theirs = thing("forwardingRules", "b", description=service("tfserving/image-classifier"), labels={
        "goog-k8s-cluster-name": "prod"})  # fmt: skip
    ones = found({"forwardingRules": [rule, theirs]}, clusters=[cluster("prod")])
    assert names(ones) == set()
    assert names(ones, sure=False) == {BALANCER}
    assert names(found({"forwardingRules": [rule]}, clusters=Unread("no right to")), sure=False) == {BALANCER}


def test_of_a_cluster_that_is_not_ours_only_the_site_s_own_load_balancers_are_looked_at() -> None:
    given = replace(SITE, cluster="", location="")
    compute = {
        "instances": [thing("instances", NODE, ZONE, labels={"goog-k8s-cluster-name": "c"})],
        "forwardingRules": [
            thing("forwardingRules", BALANCER, description=service("tfserving/image-classifier")),
            thing("forwardingRules", "b", description=service("tfserving/theirs")),
        ],
    }
    ones = found(compute, given, clusters=[cluster("c")])
    assert [(one.name, one.sure) for one in ones] == [(BALANCER, False)]


def test_what_another_cluster_of_ours_left_is_found_when_that_is_gone() -> None:
    node = thing("instances", "n", ZONE, labels=MADE | {"goog-k8s-cluster-name": "old"})
    assert names(found({"instances": [node]})) == {"n"}
    assert found({"instances": [node]}, clusters=[cluster("old", "europe-west1-b")]) == []


def test_the_cluster_the_bucket_who_was_let_in_and_the_accounts() -> None:
    pool = "projects/1/locations/global/workloadIdentityPools/p.svc.id.goog"
    pods = f"principal://iam.googleapis.com/{pool}/subject/ns/tfserving/sa/image-classifier"
    ones = found(
        {},
        clusters=[cluster("c", resourceLabels=MADE), cluster("c", "europe-west1-b")],
        bucket={"location": "US-CENTRAL1", "labels": MADE},
        policy={
            "bindings": [{"role": "roles/storage.objectViewer", "members": [pods, "user:me@example.com"]}]
        },
        accounts=[{"email": SITE.accounts[0]}, {"email": "mine@p.iam.gserviceaccount.com"}],
    )
    assert [(one.kind, one.place) for one in ones] == [
        ("cluster", "us-central1-f"), ("bucket", "us-central1"), ("binding", "models"), ("service-account", "global"),
    ]  # fmt: skip
    assert ones[2].name == f"roles/storage.objectViewer {pods}"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (BALANCER, BALANCER),
        (f"k8s-{BALANCER}-http-hc", BALANCER),
        ("k8s2-cysix1wq-tfserving-x-0a0a0a0a", "cysix1wq"),
        ("k8s2-tcp-cysix1wq-tfserving-x-0a0a0a0a", "cysix1wq"),
        ("k8s3-cysix1wq-0a0a0a0a-tfserving-x-deny", "cysix1wq"),
        ("k8s-be-30933--b74c81ed5ad4dc2c", "b74c81ed"),
        ("gkegw1-yi3w-prod-x-80-4fdj4jjm3trk", "gkegw1-yi3w"),
        ("k8s-fw-allow-ssh", ""),
        ("my-rule", ""),
    ],
)
def test_parts_of_names_that_resources_have_in_common(name: str, part: str) -> None:
    assert token(name) == part


def test_what_could_not_be_read_is_told() -> None:
    why = Unread("Required 'compute.disks.list'", "Allow it.")
    assert unread(Answers(compute={"disks": why, "instances": []}, policy=why)) == [
        ("disks", ("disk",), why), ("the bucket's IAM policy", ("binding",), why),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("noun", "fields", "dollars"),
    [
        ("instances", {"machineType": "z/e2-medium"}, 0.03351 * 730),
        ("instances", {"machineType": "z/e2-medium", "scheduling": {"provisioningModel": "SPOT"}}, 0.03351 * 730 * 0.4),
        ("instances", {"machineType": "z/e2-medium", "status": "TERMINATED"}, 0),
        ("instances", {"machineType": "z/x9-medium"}, None),
        ("disks", {"type": "z/pd-balanced", "sizeGb": "100"}, 10),
        ("disks", {"type": "z/hyperdisk-extreme", "sizeGb": "100"}, None),
        ("addresses", {"status": "RESERVED"}, 7.3),
        ("addresses", {"status": "IN_USE"}, 0),
        ("forwardingRules", {}, 18.25),
        ("targetPools", {}, 0),
    ],
)  # fmt: skip
def test_what_it_costs_in_a_month(noun: str, fields: dict[str, Any], dollars: float | None) -> None:
    (one,) = found({noun: [thing(noun, "x", labels=MADE, **fields)]})
    assert one.month == (None if dollars is None else pytest.approx(dollars, abs=0.01))
