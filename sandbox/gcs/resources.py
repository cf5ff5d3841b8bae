"""Buckets and objects as the API shows them: identifiers, links and etags are added to what is stored. Pure."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from ..google.projects import project_number
from .database import Bucket, Version

Json = dict[str, Any]

ACL_ROLES = {
    "OWNER": "roles/storage.legacyBucketOwner",
    "WRITER": "roles/storage.legacyBucketWriter",
    "READER": "roles/storage.legacyBucketReader",
}
_TEAMS = {"projectOwner": "owners", "projectEditor": "editors", "projectViewer": "viewers"}
# The order in which Google lists a project's teams.
_RANK = {team: rank for rank, team in enumerate(_TEAMS.values())}


def etag(*numbers: int) -> str:
    """The form of Google's etags: a protocol buffer of these numbers, in base64."""
    data = b""
    for position, number in enumerate(numbers, 1):
        data += bytes([position << 3])
        rest = number
        while rest > 127:
            data += bytes([rest & 127 | 128])
            rest >>= 7
        data += bytes([rest])
    return base64.b64encode(data).decode()


def is_uniform(bucket: Bucket) -> bool:
    """Whether access is by policy alone, without lists of access control."""
    return bool(bucket.resource["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"])


def bucket_resource(bucket: Bucket, base: str, *, full: bool) -> Json:
    """``full``: with access control lists, where the bucket has them."""
    link = f"{base}/storage/v1/b/{bucket.name}"
    shown = {
        "kind": "storage#bucket",
        "id": bucket.name,
        "selfLink": link,
        "projectNumber": project_number(bucket.project),
        "etag": etag(int(bucket.resource["metageneration"])),
        **bucket.resource,
    }
    shown.pop("defaultObjectAcl", None)
    if bucket.resource["locationType"] == "region":
        # Replication is between regions.
        del shown["rpo"]
        shown["satisfiesPZI"] = True
    if full and not is_uniform(bucket):
        number = project_number(bucket.project)
        shown["acl"] = bucket_acl(bucket, base)
        shown["defaultObjectAcl"] = bucket.resource.get("defaultObjectAcl") or default_object_acl(bucket)
        shown["owner"] = {"entity": f"project-owners-{number}"}
    return shown


def bucket_acl(bucket: Bucket, base: str) -> list[Json]:
    """The legacy roles of the policy, as the list of access control that they stand for."""
    entries = [
        acl_entry(bucket, entity_of(member, bucket.project), role, base)
        for role, name in ACL_ROLES.items()
        for binding in bucket.policy["bindings"]
        if binding["role"] == name
        for member in binding["members"]
    ]
    return sorted(
        entries, key=lambda entry: _RANK.get(entry.get("projectTeam", {}).get("team", ""), len(_RANK))
    )


def acl_entry(bucket: Bucket, entity: str, role: str, base: str) -> Json:
    entry = {
        "kind": "storage#bucketAccessControl",
        "id": f"{bucket.name}/{entity}",
        "selfLink": f"{base}/storage/v1/b/{bucket.name}/acl/{quote(entity, safe='')}",
        "bucket": bucket.name,
        "entity": entity,
        "role": role,
        "etag": etag(int(bucket.resource["metageneration"])),
    }
    return entry | _team(entity) | _address(entity)


def default_object_acl(bucket: Bucket) -> list[Json]:
    """What new objects get where access is not uniform: the project's teams."""
    number = project_number(bucket.project)
    return [
        {
            "kind": "storage#objectAccessControl",
            "entity": f"project-{team}-{number}",
            "role": "READER" if team == "viewers" else "OWNER",
            "etag": etag(1),
            "projectTeam": {"projectNumber": number, "team": team},
        }
        for team in _RANK
    ]


def entity_of(member: str, project: str) -> str:
    """A policy's member as access control lists name it."""
    kind, _, name = member.partition(":")
    if kind in _TEAMS:
        return f"project-{_TEAMS[kind]}-{project_number(project)}"
    return f"{'user' if kind == 'serviceAccount' else kind}-{name}" if name else member


def member_of(entity: str, project: str) -> str | None:
    """The member that an entity means; None: it means nobody."""
    for kind, team in _TEAMS.items():
        if entity in (f"project-{team}-{project_number(project)}", f"project-{team}-{project}"):
            return f"{kind}:{project}"
    if entity in ("allUsers", "allAuthenticatedUsers"):
        return entity
    kind, _, name = entity.partition("-")
    if kind == "user" and name.endswith(".gserviceaccount.com"):
        kind = "serviceAccount"
    return f"{kind}:{name}" if kind in ("user", "serviceAccount", "group", "domain") and "." in name else None


def _team(entity: str) -> Json:
    if not entity.startswith("project-"):
        return {}
    _, team, number = entity.split("-", 2)
    return {"projectTeam": {"projectNumber": number, "team": team}}


def _address(entity: str) -> Json:
    kind, _, name = entity.partition("-")
    return {"user": {"email": name}, "group": {"email": name}, "domain": {"domain": name}}.get(kind, {})


def object_resource(version: Version, base: str, *, bucket: Bucket | None = None) -> Json:
    """``bucket``: given where the list of access control is wanted."""
    stored = version.resource
    path = f"b/{stored['bucket']}/o/{quote(stored['name'], safe='')}"
    link = f"{base}/storage/v1/{path}"
    shown = {
        "kind": "storage#object",
        "id": f"{stored['bucket']}/{stored['name']}/{stored['generation']}",
        "selfLink": link,
        "mediaLink": f"{base}/download/storage/v1/{path}?generation={stored['generation']}&alt=media",
        "etag": object_etag(stored),
        **stored,
    }
    if bucket is not None and not is_uniform(bucket):
        place = {"bucket": stored["bucket"], "object": stored["name"], "generation": stored["generation"]}
        shown["acl"] = [
            {
                **entry,
                **place,
                "id": f"{shown['id']}/{entry['entity']}",
                "selfLink": f"{link}/acl/{entry['entity']}",
                "etag": shown["etag"],
            }
            for entry in bucket.resource.get("defaultObjectAcl") or default_object_acl(bucket)
        ]
    return shown


def object_etag(stored: Json) -> str:
    return etag(int(stored["generation"]), int(stored["metageneration"]))
