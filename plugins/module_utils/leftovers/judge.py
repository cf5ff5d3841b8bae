"""What of a project's resources is a site's. Pure.

First what has a mark of the cluster's; then what shares a name's part with that, or leads to it; last what only describes
itself as a Service's of the site, which may be another cluster's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..gcp.labels import MARK_WORDS, is_ours
from ..preflight.project import Unread
from . import marks
from .month import month
from .site import Answers, Found, Site, plural

Json = dict[str, Any]
Key = tuple[str, str]
"""A list's noun, and the link of a resource in it."""

KINDS = {
    "instances": "instance", "disks": "disk", "forwardingRules": "forwarding-rule", "targetPools": "target-pool",
    "backendServices": "backend-service", "addresses": "address", "firewalls": "firewall-rule",
    "networkEndpointGroups": "network-endpoint-group",
}  # fmt: skip
"""Lists of Compute Engine that are looked at, and gcloud's words for what is in them."""


def judge(site: Site, answers: Answers, table: Mapping[str, Any]) -> list[Found]:
    """All that is there of the site, in the order of ``KINDS``, by name. ``table``: of prices."""
    return [
        *_clusters(site, answers, table),
        *_compute(site, answers, table),
        *_bucket(site, answers),
        *_accounts(site, answers),
    ]


def unread(answers: Answers) -> list[tuple[str, tuple[str, ...], Unread]]:
    """What could not be looked at, in words, and which kinds of resources that leaves unknown."""
    every: list[tuple[str, tuple[str, ...], object]] = [
        ("clusters", ("cluster",), answers.clusters),
        *((plural(KINDS[noun]), (KINDS[noun],), found) for noun, found in answers.compute.items()),
        ("service accounts", ("service-account",), answers.accounts),
        ("the bucket", ("bucket", "binding"), answers.bucket),
        ("the bucket's IAM policy", ("binding",), answers.policy),
    ]
    return [(what, kinds, found) for what, kinds, found in every if isinstance(found, Unread)]


def _clusters(site: Site, answers: Answers, table: Mapping[str, Any]) -> Iterator[Found]:
    for item in _listed(answers.clusters):
        if site.cluster and (item["name"], item.get("location")) == (site.cluster, site.location):
            why = f"it has the {MARK_WORDS}" if is_ours(item.get("resourceLabels")) else "its name was said"
            yield Found(
                "cluster", site.cluster, site.location, "cluster", why,
                month=month("clusters", item, table), id=item.get("id", ""),
            )  # fmt: skip


def _compute(site: Site, answers: Answers, table: Mapping[str, Any]) -> list[Found]:
    others = frozenset(
        (item["name"], item.get("location", ""))
        for item in _listed(answers.clusters)
        if (item["name"], item.get("location")) != (site.cluster, site.location)
    )
    items = {
        (noun, str(item.get("selfLink", item["name"]))): item
        for noun in KINDS
        for item in _listed(answers.compute.get(noun, []))
    }
    known = {
        key: (*mark, True)
        for key, item in items.items()
        if (mark := marks.of_cluster(site, key[0], item, others))
    }
    for key, item in items.items():
        if key[0] == "addresses" and key not in known and item["name"] in site.addresses:
            known[key] = ("project", "it has the name of the address that is reserved for the endpoint", True)
    _spread(site, items, known, others)
    alone = bool(site.cluster) and not others and not isinstance(answers.clusters, Unread)
    for key, item in items.items():
        words = marks.by_words(site, item)
        if key not in known and words and marks.cluster_named(item) is None:
            known[key] = (*words, alone)
            _spread(site, items, known, others)
    order = list(KINDS)
    return [
        Found(KINDS[noun], item["name"], _place(item), of, why, sure, month(noun, item, table), str(item.get("id", "")))
        for (noun, link), (of, why, sure) in sorted(known.items(), key=lambda one: (order.index(one[0][0]), one[0][1]))
        for item in [items[noun, link]]
    ]  # fmt: skip


def _spread(
    site: Site,
    items: Mapping[Key, Json],
    known: dict[Key, tuple[str, str, bool]],
    others: frozenset[tuple[str, str]],
) -> None:
    """Adds what belongs to what is known, until nothing more does."""
    while True:
        tokens = {
            token: items[key]["name"]
            for key, (of, _why, sure) in known.items()
            if of == "service" and sure and (token := marks.token(items[key]["name"]))
        }
        there = {link: items[noun, link]["name"] for (noun, link), (_of, _why, sure) in known.items() if sure}
        more = {
            key: ("service", why, True)
            for key, item in items.items()
            if (key not in known or not known[key][2]) and marks.cluster_named(item) is None
            if (why := _belongs(site, key, item, tokens, there, others))
        }
        if not more:
            return
        known.update(more)


def _belongs(
    site: Site,
    key: Key,
    item: Json,
    tokens: Mapping[str, str],
    there: Mapping[str, str],
    others: frozenset[tuple[str, str]],
) -> str:
    """Why it belongs to what is known already; empty where it does not."""
    if (token := marks.token(item["name"])) and token in tokens:
        return f"it shares its name with {tokens[token]}"
    for link in marks.links(key[0], item):
        if link in there:
            return f"it leads to {there[link]}"
        if (token := marks.token(link.rpartition("/")[2])) and token in tokens:
            return f"what it leads to shares its name with {tokens[token]}"
        if marks.is_node_link(site, link, others):
            return f"it leads to node {link.rpartition('/')[2]}"
    return ""


def _bucket(site: Site, answers: Answers) -> Iterator[Found]:
    bucket = answers.bucket
    if not isinstance(bucket, dict):
        return
    why = f"it has the {MARK_WORDS}" if is_ours(bucket.get("labels")) else "its name is this site's"
    yield Found("bucket", site.bucket, str(bucket.get("location", "")).lower(), "bucket", why, month=None)
    policy = answers.policy if isinstance(answers.policy, dict) else {}
    for binding in policy.get("bindings", []):
        for member in binding.get("members", []):
            if _is_pod(site, member) or any(member.endswith(f":{account}") for account in site.accounts):
                name = f"{binding['role']} {member}"
                yield Found("binding", name, site.bucket, "bucket", "it lets this site's pods in")


def _is_pod(site: Site, member: str) -> bool:
    """Whether an IAM member is a Kubernetes service account of the site's namespace."""
    pool = f"{site.project}.svc.id.goog"
    principal = f"/workloadIdentityPools/{pool}/subject/ns/{site.namespace}/sa/"
    return bool(site.namespace) and (
        principal in member or member.startswith(f"serviceAccount:{pool}[{site.namespace}/")
    )


def _accounts(site: Site, answers: Answers) -> Iterator[Found]:
    for item in _listed(answers.accounts):
        if item.get("email") in site.accounts:
            why = "it has the name of the account that the project was prepared with"
            yield Found(
                "service-account", item["email"], "global", "project", why, id=item.get("uniqueId", "")
            )


def _place(item: Json) -> str:
    """Zone or region of a resource, or ``global``."""
    return str(item.get("zone") or item.get("region") or "global").rpartition("/")[2]


def _listed(found: list[Json] | Unread) -> list[Json]:
    return [] if isinstance(found, Unread) else found
