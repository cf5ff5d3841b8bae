"""Who may do what: roles, members and policies of Cloud Storage. Pure.

Roles: https://cloud.google.com/storage/docs/access-control/iam-roles
Members: https://cloud.google.com/iam/docs/principal-identifiers
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from ..google.errors import GoogleError, invalid

Json = dict[str, Any]

_FOLDERS_READ = (
    "storage.folders.get",
    "storage.folders.list",
    "storage.managedFolders.get",
    "storage.managedFolders.list",
)
_MULTIPART = tuple(f"storage.multipartUploads.{verb}" for verb in ("abort", "create", "list", "listParts"))
_VIEW = (*_FOLDERS_READ, "storage.objects.get", "storage.objects.list")
_CREATE = (
    "storage.folders.create", "storage.managedFolders.create", "storage.multipartUploads.abort",
    "storage.multipartUploads.create", "storage.multipartUploads.listParts", "storage.objects.create",
)  # fmt: skip
_USE = (
    *_VIEW, *_CREATE, "storage.multipartUploads.list", "storage.folders.delete", "storage.folders.rename",
    "storage.managedFolders.delete", "storage.objects.delete", "storage.objects.move", "storage.objects.restore",
    "storage.objects.update",
)  # fmt: skip
_OBJECT_OWNER = (
    "storage.objects.get", "storage.objects.getIamPolicy", "storage.objects.overrideUnlockedRetention",
    "storage.objects.setIamPolicy", "storage.objects.setRetention", "storage.objects.update",
)  # fmt: skip
_BUCKET_READER = ("storage.buckets.get", "storage.multipartUploads.list", "storage.objects.list")
_BUCKET_WRITER = (
    *_BUCKET_READER, *_MULTIPART, "storage.objects.create", "storage.objects.delete", "storage.objects.restore",
)  # fmt: skip
_BUCKET = tuple(
    f"storage.buckets.{verb}"
    for verb in ("create", "delete", "enableObjectRetention", "get", "getIamPolicy", "getIpFilter", "list", "relocate",
                 "restore", "setIamPolicy", "setIpFilter", "update")
)  # fmt: skip

ROLES: Mapping[str, frozenset[str]] = {
    "roles/storage.objectViewer": frozenset(_VIEW),
    "roles/storage.objectCreator": frozenset(_CREATE),
    "roles/storage.objectUser": frozenset(_USE),
    "roles/storage.objectAdmin": frozenset({*_USE, *_OBJECT_OWNER}),
    "roles/storage.admin": frozenset({*_USE, *_OBJECT_OWNER, *_BUCKET}),
    "roles/storage.bucketViewer": frozenset({"storage.buckets.get", "storage.buckets.list"}),
    "roles/storage.legacyObjectReader": frozenset({"storage.objects.get"}),
    "roles/storage.legacyObjectOwner": frozenset(_OBJECT_OWNER),
    "roles/storage.legacyBucketReader": frozenset(_BUCKET_READER),
    "roles/storage.legacyBucketWriter": frozenset(_BUCKET_WRITER),
    "roles/storage.legacyBucketOwner": frozenset(
        {*_BUCKET_WRITER, "storage.buckets.enableObjectRetention", "storage.buckets.getIamPolicy",
         "storage.buckets.setIamPolicy", "storage.buckets.update"}
    ),
}  # fmt: skip
PERMISSIONS = ROLES["roles/storage.admin"]
EVERYBODY = frozenset({"allUsers", "allAuthenticatedUsers"})

_POOL = re.compile(
    r"principal://(iam\.googleapis\.com/projects/\d+/locations/global/workloadIdentityPools/([^/]+))/subject/ns/([^/]+)/sa/([^/]+)"
)
_MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|(?:deleted:)?(?:user|serviceAccount|group):[^\s:@]+(?:@[^\s@]+|\.svc\.id\.goog\[[^\]/]+/[^\]/]+\])"
    r"(?:\?uid=\d+)?|domain:[^\s:]+\.[^\s:]+|project(?:Owner|Editor|Viewer):[^\s:]+|(?:deleted:)?principal(?:Set)?://\S+"
)


def members_of(identity: str | None) -> frozenset[str]:
    """All names under which a policy may mean this identity; None: a request without credentials."""
    if identity is None:
        return frozenset({"allUsers"})
    match = _POOL.fullmatch(identity)
    if match is None:
        kind = "serviceAccount" if identity.endswith(".gserviceaccount.com") else "user"
        domain = identity.rpartition("@")[2]
        return frozenset({*EVERYBODY, f"{kind}:{identity}", f"domain:{domain}"})
    pool, name, namespace, account = match.groups()
    # A federated identity is no Google account: allAuthenticatedUsers does not mean it.
    return frozenset(
        {
            "allUsers",
            identity,
            f"serviceAccount:{name}[{namespace}/{account}]",
            f"principalSet://{pool}/namespace/{namespace}",
            f"principalSet://{pool}/*",
        }
    )


_TEAMS = {"roles/owner": "projectOwner", "roles/editor": "projectEditor", "roles/viewer": "projectViewer"}
"""Whom a bucket's policy means by a project's team (https://cloud.google.com/iam/docs/roles-overview#basic)."""


def teams_of(policy: Json, names: Iterable[str], project: str) -> frozenset[str]:
    """The project's teams, as buckets' policies name them, that its own policy counts somebody of these names among."""
    found, names = set(), set(names)
    for binding in policy.get("bindings", ()):
        team = _TEAMS.get(binding["role"])
        if team and names & set(binding.get("members", ())):
            found.add(f"{team}:{project}")
    return frozenset(found)


def allows(policy: Json, names: Iterable[str], permission: str, resource: str, now: float) -> bool:
    """Whether a binding grants the permission on the resource (``projects/_/buckets/B[/objects/O]``)."""
    wanted = frozenset(names)
    return any(
        permission in ROLES.get(binding["role"], frozenset())
        and wanted & set(binding.get("members", ()))
        and ("condition" not in binding or condition_holds(binding["condition"]["expression"], resource, now))
        for binding in policy.get("bindings", ())
    )


def check_policy(policy: Json, *, prevents_public: bool, uniform: bool) -> list[Json]:
    """The bindings of a policy that is to be set, in canonical form. Raises ``GoogleError``."""
    version = policy.get("version", 0)
    if version not in (0, 1, 3):
        raise invalid(f"Policy version {version} is not one of 0, 1 and 3.")
    merged: dict[tuple[str, str], Json] = {}
    for binding in policy.get("bindings", []):
        role, members, condition = (
            binding.get("role", ""),
            binding.get("members", []),
            binding.get("condition"),
        )
        if role not in ROLES:
            raise invalid(f"Role {role} is not supported for this resource.")
        for member in members:
            if not _MEMBER.fullmatch(member):
                raise invalid(f"Invalid argument: '{member}' is not a member.")
        if prevents_public and EVERYBODY & set(members):
            text = (
                "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access "
                "prevention is enforced."
            )
            raise GoogleError(412, text)
        if condition is not None:
            _check_condition(condition, role, version, uniform)
        key = (role, str(condition and condition["expression"]))
        entry = merged.setdefault(
            key, {"role": role, "members": []} | ({"condition": condition} if condition else {})
        )
        entry["members"] = sorted({*entry["members"], *members})
    return [entry for _, entry in sorted(merged.items()) if entry["members"]]


def _check_condition(condition: Json, role: str, version: int, uniform: bool) -> None:
    if version < 3:
        raise invalid("A policy with conditional role grants must have a version of at least 3.")
    if not uniform:
        text = "To set conditional role grants, enable uniform bucket-level access on the bucket first."
        raise GoogleError(412, text)
    if role.startswith("roles/storage.legacy"):
        raise invalid(f"Role {role} can't be granted with a condition.")
    if not condition.get("title") or not condition.get("expression"):
        raise invalid("A condition needs a title and an expression.")
    condition_holds(condition["expression"], "", 0)


_TERM = re.compile(
    r"(?P<constant>true|false)"
    r'|resource\.name\.startsWith\((["\'])(?P<prefix>[^"\']*)\2\)'
    r'|resource\.name\s*==\s*(["\'])(?P<name>[^"\']*)\4'
    r'|resource\.type\s*==\s*(["\'])(?P<type>[^"\']*)\6'
    r'|request\.time\s*(?P<sign>[<>])\s*timestamp\((["\'])(?P<time>[^"\']*)\9\)'
)


def condition_holds(expression: str, resource: str, now: float) -> bool:
    """Evaluates the part of CEL that policies of buckets mostly use; ``GoogleError`` 501 for the rest."""
    results = [
        [_term(term.strip(), resource, now) for term in alternative.split("&&")]
        for alternative in expression.split("||")
    ]
    return any(all(terms) for terms in results)


def _term(term: str, resource: str, now: float) -> bool:
    match = _TERM.fullmatch(term)
    if match is None:
        raise GoogleError(501, f"not emulated here: the condition '{term}'")
    if match["constant"] is not None:
        return match["constant"] == "true"
    if match["prefix"] is not None:
        return resource.startswith(match["prefix"])
    if match["name"] is not None:
        return resource == match["name"]
    if match["type"] is not None:
        kind = "Object" if "/objects/" in resource else "Bucket"
        return match["type"] == f"storage.googleapis.com/{kind}"
    try:
        limit = datetime.fromisoformat(match["time"])
    except ValueError:
        raise invalid(f"'{match['time']}' is not a timestamp.") from None
    moment = datetime.fromtimestamp(now, UTC)
    limit = limit if limit.tzinfo else limit.replace(tzinfo=UTC)
    return moment < limit if match["sign"] == "<" else moment > limit


def denied(identity: str | None, permission: str, kind: str) -> GoogleError:
    """Google's refusal; ``kind``: object, bucket or project."""
    if identity is None:
        who = "Anonymous caller"
    else:
        who = "Caller" if identity.startswith("principal://") else identity
    kind = kind if kind == "project" else f"Storage {kind}"
    text = (
        f"{who} does not have {permission} access to the Google Cloud {kind}. Permission '{permission}' denied on "
        "resource (or it may not exist)."
    )
    return GoogleError(401, text, reason="required") if identity is None else GoogleError(403, text)
