"""Rules about who reads the model. Pure.

https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..gcs.iam import desired, workload
from ..variables.settings import Settings, Storage
from .judge import Rule, Said
from .project import Bucket, NotKnown, Project, Unread, known

Json = dict[str, Any]

READING_ROLES = frozenset(
    f"roles/storage.{name}"
    for name in (
        "admin",
        "legacyObjectOwner",
        "legacyObjectReader",
        "objectAdmin",
        "objectUser",
        "objectViewer",
    )
)
"""Roles with storage.objects.get. https://cloud.google.com/storage/docs/access-control/iam-roles"""

READING_SCOPES = tuple(
    f"https://www.googleapis.com/auth/{name}"
    for name in ("cloud-platform", "devstorage.full_control", "devstorage.read_only", "devstorage.read_write")
)

SET_POLICY = "storage.buckets.setIamPolicy"
_USER = "roles/iam.workloadIdentityUser"
_BASIC = {"projectOwner": "roles/owner", "projectEditor": "roles/editor", "projectViewer": "roles/viewer"}
_EVERYBODY = ("allUsers", "allAuthenticatedUsers")


def model_access(settings: Settings, project: Project) -> Iterator[Said]:
    """Whether the pods will be able to read the bucket, as far as policies tell."""
    if not settings.storage.bucket:
        return
    serving, storage = settings.serving, settings.storage
    bucket = known(project.bucket)
    if serving.anonymous:
        yield from _anonymous(bucket, storage)
    elif serving.google_service_account:
        yield from _google_account(settings, project, bucket)
    elif storage.workload_identity:
        if not has_workload_identity(settings, project):
            yield (
                "storage_reader_workload_identity is true, and the cluster has no Workload Identity: pods read as "
                "their nodes' account, which gets no right",
                "Set cluster_workload_identity: true.",
            )
        elif bucket is not None:
            yield from _granted_by_us(bucket, storage, _pods(settings, bucket))
    elif settings.cluster.given:
        return  # As whom pods read there is not known here.
    elif has_workload_identity(settings, project):
        yield from _pods_without_right(settings, project, bucket)
    else:
        yield from _nodes_account(settings, project, bucket)


def has_workload_identity(settings: Settings, project: Project) -> bool:
    """Whether the cluster will have it, as is wanted, or as it is where nothing is said."""
    cluster = settings.cluster
    if cluster.given:
        return True  # Whoever says that pods have an identity there knows.
    if cluster.workload_identity is not None:
        return cluster.workload_identity
    present = known(project.cluster)
    return bool((present or {}).get("workloadIdentityConfig", {}).get("workloadPool"))


def _granted_in_this_run(settings: Settings, bucket: Bucket | None) -> set[str]:
    """Members whom ``storage_iam_members`` lets read."""
    number = bucket.project_number if bucket else None
    found = desired(settings.storage.grants, settings.project, number)
    return {member for role in READING_ROLES & found.keys() for member in found[role]}


def _pods(settings: Settings, bucket: Bucket | None) -> str:
    """The pods as a member, by Workload Identity."""
    storage = settings.storage
    identity = {
        "namespace": storage.reader_namespace,
        "service_account": storage.reader_name,
        "project": storage.reader_project,
    }
    number = storage.reader_project_number or (bucket.project_number if bucket else None)
    return workload(identity, settings.project, number)


def _pods_without_right(settings: Settings, project: Project, bucket: Bucket | None) -> Iterator[Said]:
    """With Workload Identity pods are themselves, whatever their nodes' account may do."""
    if bucket is not None:
        member = _pods(settings, bucket)
        if member in _granted_in_this_run(settings, bucket):
            yield from _granted_by_us(bucket, settings.storage, member)
            return
        if _reads(known(bucket.policy), member, None) or _reads(known(project.project_policy), member, None):
            return
        _refuse_to_guess(member, bucket.policy, project.project_policy)
    elif _pods(settings, None) in _granted_in_this_run(settings, None):
        return
    yield (
        "the cluster has Workload Identity, so pods read as themselves, and storage_reader_workload_identity is false: "
        f"nobody lets them read bucket {settings.storage.bucket}",
        "Set storage_reader_workload_identity: true.",
    )


def _anonymous(bucket: Bucket | None, storage: Storage) -> Iterator[Said]:
    if bucket is None or not _reads(known(bucket.policy), "allUsers", None):
        yield (
            f"serving_fetch_identity is anonymous, and bucket {storage.bucket} is not public: pods could not read it",
            "Set serving_fetch_identity: metadata.",
        )


def _google_account(settings: Settings, project: Project, bucket: Bucket | None) -> Iterator[Said]:
    account, serving = settings.serving.google_service_account, settings.serving
    if not has_workload_identity(settings, project):
        yield (
            f"serving_google_service_account is {account}, and the cluster has no Workload Identity: pods can't act "
            "as it",
            "Set cluster_workload_identity: true.",
        )
        return
    owner = settings.storage.reader_project or settings.project
    member = f"serviceAccount:{owner}.svc.id.goog[{serving.namespace}/{serving.name}]"
    policy = known(project.account_policy)
    if member not in _members(policy, _USER):
        yield (
            f"{account} does not let the pods' service account {serving.namespace}/{serving.name} act as it",
            f'Run `gcloud iam service-accounts add-iam-policy-binding {account} --role {_USER} --member "{member}"`.',
        )
    if bucket is not None:
        yield from _granted_by_us(bucket, settings.storage, f"serviceAccount:{account.lower()}")


def _granted_by_us(bucket: Bucket, storage: Storage, member: str) -> Iterator[Said]:
    """The storage role grants it; either that is done, or this account may do it."""
    if not isinstance(bucket.policy, Unread) and _reads(bucket.policy, member, None):
        return
    if SET_POLICY not in known(bucket.permissions):
        _refuse_to_guess(member, bucket.policy)
        yield (
            f"{member} can't read bucket {storage.bucket}, and this account may not grant it ({SET_POLICY})",
            f"Have its owner grant roles/storage.objectViewer on the bucket to that member, or {SET_POLICY} to you.",
        )


def _nodes_account(settings: Settings, project: Project, bucket: Bucket | None) -> Iterator[Said]:
    """Without Workload Identity pods read as their nodes' account, which nothing here gives a right."""
    for pool in settings.cluster.pools:
        if pool.oauth_scopes and not set(pool.oauth_scopes) & set(READING_SCOPES):
            yield (
                f"node pool {pool.name}: its oauth_scopes have none for Cloud Storage, so pods can't read the model",
                "Leave oauth_scopes out, or add https://www.googleapis.com/auth/devstorage.read_only.",
            )
    for account in sorted({pool.service_account for pool in settings.cluster.pools} or {"default"}):
        email = account
        if account == "default":
            if bucket is None:
                raise NotKnown(Unread(
                    "the nodes' default account is named by the project's number, which is not known before the bucket is there",
                    "Set cluster_workload_identity: true, and pods read as themselves.",
                ))  # fmt: skip
            email = f"{bucket.project_number}-compute@developer.gserviceaccount.com"
        member = f"serviceAccount:{email.lower()}"
        if member in _granted_in_this_run(settings, bucket):
            if bucket is not None:
                yield from _granted_by_us(bucket, settings.storage, member)
            continue
        if bucket is not None and _reads(known(bucket.policy), member, None):
            continue
        whole = known(project.project_policy)
        if _reads(whole, member, whole) or (
            bucket is not None and _reads(known(bucket.policy), member, whole)
        ):
            continue
        _refuse_to_guess(member, bucket.policy if bucket else whole, whole)
        yield (
            f"pods read the model as their nodes' account {email}, which has no right to read bucket "
            f"{settings.storage.bucket}",
            "Set cluster_workload_identity: true (pods then read as themselves), or name the account in "
            f"storage_iam_members: [{{role: roles/storage.objectViewer, members: ['{member}']}}].",
        )


def _reads(policy: Json, member: str, project_policy: Json | None) -> bool:
    """Whether a policy lets a member read objects. ``project_policy``: resolves a project's owners, editors, viewers."""
    for binding in policy.get("bindings", []):
        if binding.get("condition") or binding["role"] not in READING_ROLES:
            continue
        for one in binding.get("members", []):
            if one in (member, *_EVERYBODY):
                return True
            kind = one.partition(":")[0]
            if project_policy and kind in _BASIC and member in _members(project_policy, _BASIC[kind]):
                return True
    return False


def _refuse_to_guess(member: str, *policies: Json | Unread) -> None:
    """Raises ``NotKnown`` where a member may have the right by what is not resolved here."""
    for policy in policies:
        for binding in [] if isinstance(policy, Unread) else policy.get("bindings", []):
            role = binding["role"]
            if role in READING_ROLES or role.startswith(("projects/", "organizations/")):
                by = [one for one in binding.get("members", []) if _may_be(one, member)]
                if by:
                    raise NotKnown(Unread(
                        f"whether {member} can read the bucket hangs on a condition, group or custom role, which are not "
                        f"resolved here: {role} of {by[0]}",
                        "See that it does, and set preflight_ignore: [model-access].",
                    ))  # fmt: skip


def _may_be(one: str, member: str) -> bool:
    """Whether a policy's member is this one, or a group that it may be in. Groups have no Kubernetes' accounts."""
    if one.startswith(("group:", "domain:")):
        return member.startswith("serviceAccount:")
    pool = member.partition("/subject/")[0].removeprefix("principal://")
    return one in (member, *_EVERYBODY) or one.startswith(f"principalSet://{pool}/")


def _members(policy: Json, role: str) -> set[str]:
    return {
        member
        for binding in policy.get("bindings", [])
        if binding["role"] == role and not binding.get("condition")
        for member in binding.get("members", [])
    }


RULES = (
    Rule(
        "model-access",
        "error",
        "The identity that pods act as can't read the bucket, or this account can't grant it.",
        model_access,
    ),
)
