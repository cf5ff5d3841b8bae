"""Makes a bucket and its IAM policy as wanted, or removes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..gcp.errors import ApiError, BadInput
from ..gcp.labels import is_ours
from . import bucket as plan
from . import iam, sites
from .own import nothing_goes, remove_own
from .storage import Storage

Json = dict[str, Any]
T = TypeVar("T")

_TRIES = 5
_RACED = (409, 412)


def check(params: Json) -> None:
    """Refuses what Google would refuse, before asking. Raises ``BadInput``."""
    plan.check(params)
    prevention = params["public_access_prevention"]
    prevented = prevention == "enforced" or (params["own_only"] and prevention is None)
    iam.check(params["iam_members"] or [], params["project"], private=prevented)


def present(storage: Storage, params: Json, check_mode: bool) -> Json:
    name, grants = params["name"], params["iam_members"]
    current = _own(storage, params["project"], name)
    if current is None:
        body = plan.creation(params)
        desired = iam.desired(grants or [], params["project"], None)
        if not check_mode:
            current = _create(storage, params["project"], body)
            number = str(current["projectNumber"])
            desired_now = iam.desired(grants or [], params["project"], number)
            _grant(storage, name, desired_now, exclusive=params["iam_members_exclusive"], check_mode=False)
        after = body | ({"iam": desired} if desired else {})
        return {
            "changed": True,
            "bucket": current or {},
            "iam": desired,
            "shared_with": [],
            "diff": {"before": {}, "after": after},
        }

    def converge() -> tuple[Json, Json, Json]:
        found = _own(storage, params["project"], name) or {}
        body = plan.patch(params, found)
        if body and not check_mode:
            return storage.patch_bucket(name, body, found["metageneration"]), body, plan.before(body, found)
        return found, body, plan.before(body, found)

    current, body, before = _again(converge)
    left = plan.left_words(params, current)
    after = dict(body)
    desired = iam.desired(grants or [], params["project"], str(current["projectNumber"]))
    old, new = _grant(
        storage, name, desired, exclusive=params["iam_members_exclusive"], check_mode=check_mode
    )
    if new:
        before, after = before | {"iam": old}, after | {"iam": new}
    return {
        "changed": bool(after),
        "bucket": current,
        "iam": desired,
        "shared_with": sites.others(current.get("labels"), params["site"], params["model_path"]),
        "diff": {"before": before, "after": after},
        **({"warnings": [left]} if left else {}),
    }


def absent(storage: Storage, params: Json, check_mode: bool) -> Json:
    name = params["name"]
    current = _own(storage, params["project"], name)
    if current is None:
        return nothing_goes("") | {"bucket": {}, "shared_with": []}
    ours = is_ours(current.get("labels"))
    labels, site, path = current.get("labels"), params["site"], params["model_path"]
    shared, neighbours = (
        (sites.others(labels, site, path), sites.neighbours(labels, site)) if site else ([], [])
    )
    told = {"shared_with": neighbours}
    if params["removes"] == "label":
        stays = nothing_goes(f"bucket {name} stays") | told | {"bucket": current}
        return _without_site(storage, params, stays, check_mode=check_mode)
    if params["own_only"] and (neighbours or not (ours and params["force"])):
        done = remove_own(
            storage, name, path,
            ours=ours, shared=shared, neighbours=neighbours, versions_go=params["removes"] == "versions", check_mode=check_mode,
        )  # fmt: skip
        if done["kept"]:
            done = _without_site(storage, params, done, check_mode=check_mode)
        return {**told, **done, "bucket": current if done["kept"] else {}}
    objects = list(storage.objects(name, "", versions=True))
    if objects and not params["force"]:
        raise BadInput(f"bucket {name} holds {len(objects)} objects: set force: true to delete them with it.")
    if not check_mode:
        for item in objects:
            storage.delete_generation(name, item["name"], item["generation"])
        storage.delete_bucket(name)
    diff = {"before": {"name": name, "objects": [item["name"] for item in objects]}, "after": {}}
    return {"changed": True, "bucket": {}, "objects_removed": len(objects), "kept": "", **told, "diff": diff}


def _without_site(storage: Storage, params: Json, done: Json, *, check_mode: bool) -> Json:
    """The bucket stays, and this site uses it no longer."""

    def converge() -> bool:
        found = _own(storage, params["project"], params["name"]) or {}
        going = sites.own(found.get("labels"), params["site"])
        if going and not check_mode:
            storage.patch_bucket(params["name"], {"labels": dict.fromkeys(going)}, found["metageneration"])
        return bool(going)

    is_named = _again(converge)
    return {**done, "changed": done["changed"] or is_named}


def _own(storage: Storage, project: str, name: str) -> Json | None:
    """The bucket; None if there is none. Raises ``BadInput`` for one of another project."""
    try:
        found = storage.bucket(name)
    except ApiError as error:
        if error.status == 403:
            raise BadInput(
                f"bucket {name} exists and this account may not see it: it belongs to another project (choose another "
                "name), or the account lacks storage.buckets.get."
            ) from error
        raise
    if found is not None and storage.owns(project, name) is False:
        raise BadInput(
            f"bucket {name} belongs to another project (number {found['projectNumber']}), not to {project}: choose "
            "another name, or set project to the one that owns it."
        )
    return found


def _create(storage: Storage, project: str, body: Json) -> Json:
    name = body["name"]
    try:
        return storage.create_bucket(project, body)
    except ApiError as error:
        if error.status != 409:
            raise
        # A request whose answer was lost, or another run: then it is ours, and as we wanted it or soon.
        found = _own(storage, project, name) if "already own" in error.message else None
        if found is None:
            raise BadInput(f"bucket {name} belongs to somebody else: choose another name.") from error
        return found


def _grant(
    storage: Storage, name: str, desired: iam.Grants, *, exclusive: bool, check_mode: bool
) -> tuple[iam.Grants, iam.Grants]:
    """Members before and after of the roles that change."""
    if not desired:
        return {}, {}

    def converge() -> tuple[iam.Grants, iam.Grants]:
        policy = storage.policy(name)
        before, after = iam.changes(policy, desired, exclusive=exclusive)
        if after and not check_mode:
            storage.set_policy(name, iam.apply(policy, after))
        return before, after

    return _again(converge)


def _again(work: Callable[[], T]) -> T:
    """Reads, decides and writes anew where somebody else wrote in between."""
    for attempt in range(1, _TRIES + 1):
        try:
            return work()
        except ApiError as error:
            if error.status not in _RACED or attempt == _TRIES:
                raise
    raise AssertionError("unreachable")
