"""The receipt of a teardown: what was there, what is gone, what is left, why, and what that costs. Pure.

It is begun before anything goes and finished after the last look, so that a run which was killed in between, and another
one after it, end in the same receipt as one that was not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from .site import plural

Json = dict[str, Any]
Key = tuple[str, str, str, str]

VERSION = 1
_KEY = ("kind", "place", "name", "id")
_SITE = ("project", "cluster", "location", "namespace", "bucket")


def begun(earlier: Json | None, site: Json, there: list[Json], objects: list[str], when: str) -> Json:
    """A receipt that has yet to be finished. ``earlier``: the last one of this site; what it began is gone on with.

    ``there``: resources that were found; ``objects``: of Kubernetes, as kind/name, that are about to go. ``when``: now.
    """
    if earlier is None or earlier.get("version") != VERSION or earlier.get("site") != site:
        earlier = None
    elif earlier["finished"] and (objects or not _keys(there) <= _keys(earlier["left"])):
        earlier = None  # What was removed then has been made again.
    known = earlier or {"began": when, "there": [], "objects": []}
    return {
        "version": VERSION,
        "site": site,
        "began": known["began"],
        "finished": False,
        "there": _united(known["there"], there),
        "objects": sorted({*known["objects"], *objects}),
    }


def finished(
    receipt: Json,
    now: list[Json],
    unread: list[Json],
    kept: Mapping[str, str],
    prices: Json,
    when: str,
    shared: Collection[str] = (),
) -> Json:
    """The same, with what was found at the end. ``kept``: why a part (``PARTS``) was left on purpose; ``shared``: parts that
    other sites use, for which no command is given.
    """
    there = _united(receipt["there"], now)
    stays = any(one["kind"] == "cluster" for one in now)
    left = [
        _shown(one)
        | {
            "reason": reason(one, kept, cluster_stays=stays),
            "command": "" if one["of"] in shared else command(one, receipt["site"]),
        }
        for one in now
    ]
    missing = [one for one in there if _key(one) not in _keys(now)]
    # A list that could not be read shows nothing, whatever there is.
    unknown = {kind for one in unread for kind in one["kinds"]}
    priced = [one["month"] for one in left if one["month"] is not None]
    return receipt | {
        "finished": True,
        "ended": when,
        "there": there,
        "gone": [_name(one) for one in missing if one["kind"] not in unknown],
        "not_known": [_name(one) for one in missing if one["kind"] in unknown],
        "left": left,
        "not_looked_at": unread,
        "month": round(sum(priced), 2),
        "unpriced": [_name(one) for one in left if one["month"] is None],
        "prices": prices,
    }  # fmt: skip


def reason(one: Mapping[str, Any], kept: Mapping[str, str], *, cluster_stays: bool) -> str:
    """Why something is left, in words."""
    part = one["of"]
    if not one["sure"]:
        return f"{one['why']}, and so may another cluster's: look before you remove it"
    if part in ("cluster", "service") and one["kind"] != "cluster" and cluster_stays:
        return "it goes with the cluster" if part == "cluster" else "its Service or route is still there"
    if one["kind"] == "binding":
        return "it goes with the bucket, which stays"
    if kept.get(part):
        return kept[part]
    if part == "project":
        return "it was made once for the project, where other sites may use it"
    if part == "volume":
        return "Google leaves disks of claims that were there when the cluster went, or that are to be retained: it may hold data"
    if one["kind"] in ("cluster", "bucket"):
        return "it is still there"
    return "Google did not remove it with the cluster"


def command(one: Mapping[str, Any], site: Mapping[str, str]) -> str:
    """What removes it by hand."""
    kind, name, place = one["kind"], one["name"], one["place"]
    if kind == "bucket":
        return f"gcloud storage rm --recursive gs://{name}"
    if kind == "binding":
        role, _unused, member = name.partition(" ")
        return (
            f"gcloud storage buckets remove-iam-policy-binding gs://{place} --role={role} --member='{member}'"
        )
    if kind == "cluster":
        return f"gcloud container clusters delete {name} --location={place} --project={site['project']}"
    if kind == "service-account":
        return f"gcloud iam service-accounts delete {name} --project={site['project']}"
    where = (
        "" if kind == "firewall-rule" else " --global" if place == "global" else f" --{_level(place)}={place}"
    )
    return f"gcloud compute {plural(kind)} delete {name}{where} --project={site['project']}"


def _level(place: str) -> str:
    """A zone is a region and a letter, as us-central1-f."""
    return "zone" if place.count("-") > 1 else "region"


def words(receipt: Json) -> list[str]:
    """The receipt for people, a line each."""
    if not receipt["finished"]:
        return [f"there: {_counted(receipt['there'])}"]
    currency = receipt["prices"]["currency"]
    lines = [
        f"there was: {_counted(receipt['there'])}",
        f"gone: {len(receipt['gone'])} of {len(receipt['there'])}",
    ]
    for one in receipt["left"]:
        price = "price not known" if one["month"] is None else f"{one['month']:.2f} {currency} a month"
        lines.append(f"left: {_name(one)} ({price}): {one['reason']}. {one['command']}".rstrip())
    lines += [f"not known: {name}" for name in receipt["not_known"]]
    for one in receipt["not_looked_at"]:
        lines.append(f"not looked at: {one['what']}: {one['reason']}. {one['hint']}".rstrip())
    if receipt["left"]:
        lines.append(
            f"What is left costs {receipt['month']:.2f} {currency} a month by the prices of {receipt['prices']['date']}"
            f"{', without ' + ', '.join(receipt['unpriced']) if receipt['unpriced'] else ''}."
        )
    elif not receipt["not_looked_at"]:
        lines.append("Nothing is left.")
    return lines


def text(receipt: Json) -> str:
    """The receipt as a file for people."""
    site = ", ".join(f"{name} {receipt['site'][name]}" for name in _SITE if receipt["site"].get(name))
    until = f" to {receipt['ended']}" if receipt["finished"] else ", not finished"
    objects = [f"removed: {', '.join(receipt['objects'])}"] if receipt["objects"] else []
    gone = [f"gone: {name}" for name in receipt.get("gone", [])]
    return "\n".join(
        [f"Teardown of {site}; {receipt['began']}{until}.", *words(receipt), *objects, *gone, ""]
    )


def _united(first: Iterable[Json], second: Iterable[Json]) -> list[Json]:
    """Both, each once, in an order that does not depend on which run found it."""
    found = {_key(one): _shown(one) for one in (*first, *second)}
    return [found[key] for key in sorted(found)]


def _shown(one: Mapping[str, Any]) -> Json:
    return {name: one[name] for name in (*_KEY, "of", "why", "sure", "month")}


def _keys(found: Iterable[Mapping[str, Any]]) -> set[Key]:
    return {_key(one) for one in found}


def _key(one: Mapping[str, Any]) -> Key:
    kind, place, name, identity = (str(one[name]) for name in _KEY)
    return kind, place, name, identity


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['kind']} {one['name']} in {one['place']}"


def _counted(found: list[Json]) -> str:
    counts = Counter(one["kind"] for one in found)
    return (
        ", ".join(f"{number} {kind if number == 1 else plural(kind)}" for kind, number in counts.items())
        or "nothing"
    )
