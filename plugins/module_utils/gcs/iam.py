"""What has to change for a bucket's IAM policy to grant what is wanted. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..gcp.errors import BadInput

Json = dict[str, Any]

GRANT_ARGUMENTS: Json = {
    "role": {"type": "str", "required": True},
    "members": {"type": "list", "elements": "str", "default": []},
    "workload_identities": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "namespace": {"type": "str", "required": True},
            "service_account": {"type": "str", "required": True},
            "project": {"type": "str"},
            "project_number": {"type": "str"},
        },
    },
}
"""Options of one of a bucket's ``iam_members``."""
Grants = dict[str, list[str]]
"""Members by role."""

_ROLE = re.compile(r"roles/[\w.]+|(projects|organizations)/[\w.:-]+/roles/[\w.]+")
_EVERYBODY = ("allUsers", "allAuthenticatedUsers")
_BY_EMAIL = ("user", "group", "serviceAccount")
_PREFIXES = (
    *_BY_EMAIL, "domain", "projectOwner", "projectEditor", "projectViewer", "principal", "principalSet", "deleted",
)  # fmt: skip
_PRINCIPAL = "principal://iam.googleapis.com/projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog/subject/ns/{namespace}/sa/{account}"
_NUMBER = "PROJECT_NUMBER"


def check(grants: Iterable[Mapping[str, Any]], project: str, *, private: bool) -> None:
    """Refuses what Google would refuse, before asking. ``private``: public access is prevented. Raises ``BadInput``."""
    seen = set()
    for grant in grants:
        role = grant["role"]
        if not _ROLE.fullmatch(role):
            raise BadInput(f"iam_members: the role {role!r} is not of the form roles/storage.objectViewer.")
        if role in seen:
            raise BadInput(f"iam_members: the role {role} is there twice; name all its members at once.")
        seen.add(role)
        for member in grant.get("members") or []:
            kind, colon, name = member.partition(":")
            if member in _EVERYBODY:
                if private:
                    raise BadInput(
                        f"iam_members: {role} for {member}, and public_access_prevention is enforced: one of them is meant."
                    )
            elif not colon or not name or kind not in _PREFIXES:
                raise BadInput(
                    f"iam_members: {member!r} is not a member such as user:a@example.com, "
                    "serviceAccount:NAME@PROJECT.iam.gserviceaccount.com or principal://…"
                )
        for identity in grant.get("workload_identities") or []:
            if identity.get("project") not in (None, project) and not identity.get("project_number"):
                raise BadInput(
                    f"iam_members: the cluster's project {identity['project']} is not the bucket's: "
                    "give its project_number, too (gcloud projects describe shows it)."
                )


def desired(grants: Iterable[Mapping[str, Any]], project: str, number: str | None) -> Grants:
    """Members by role. ``number``: the project's, None while it is not known, as that of a bucket yet to come."""
    return {
        grant["role"]: sorted(
            {_canonical(member) for member in grant.get("members") or []}
            | {workload(identity, project, number) for identity in grant.get("workload_identities") or []}
        )
        for grant in grants
    }


def workload(identity: Mapping[str, Any], project: str, number: str | None) -> str:
    """The member that a Kubernetes service account is with Workload Identity.

    https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity#kubernetes-resources-iam-policies
    """
    return _PRINCIPAL.format(
        number=identity.get("project_number") or number or _NUMBER,
        project=identity.get("project") or project,
        namespace=identity["namespace"],
        account=identity["service_account"],
    )


def granted(policy: Json) -> Grants:
    """Members by role, of bindings without conditions."""
    found: Grants = {}
    for binding in policy.get("bindings", []):
        if not binding.get("condition"):
            found.setdefault(binding["role"], []).extend(map(_canonical, binding.get("members", [])))
    return {role: sorted(set(members)) for role, members in found.items()}


def target(policy: Json, desired: Grants, *, exclusive: bool) -> Grants:
    """The wanted roles' members as they shall be. ``exclusive``: nobody else has these roles."""
    now = granted(policy)
    return {
        role: sorted(set(members) | (set() if exclusive else set(now.get(role, []))))
        for role, members in desired.items()
    }


def changes(policy: Json, desired: Grants, *, exclusive: bool) -> tuple[Grants, Grants]:
    """Members by role before and after, of the roles that change."""
    now, then = granted(policy), target(policy, desired, exclusive=exclusive)
    roles = [role for role in then if then[role] != now.get(role, [])]
    return {role: now.get(role, []) for role in roles}, {role: then[role] for role in roles}


def apply(policy: Json, after: Grants) -> Json:
    """The policy with these roles' members replaced. Conditional bindings, other roles and the etag stay."""
    kept = [b for b in policy.get("bindings", []) if b.get("condition") or b["role"] not in after]
    made = [{"role": role, "members": members} for role, members in sorted(after.items()) if members]
    return {**policy, "bindings": kept + made}


def _canonical(member: str) -> str:
    """As Google keeps it: e-mail addresses in lower case."""
    kind, colon, name = member.partition(":")
    return f"{kind}:{name.lower()}" if colon and kind in _BY_EMAIL and ".svc.id.goog[" not in name else member
