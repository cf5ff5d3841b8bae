"""What a method of the emulated Cloud Storage is given: a call, its preconditions, and the right to do it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..google.errors import GoogleError
from ..google.tokens import ACCOUNT
from .database import Bucket, Database
from .iam import EVERYBODY, allows, denied, members_of, teams_of

Json = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """One request. ``identity``: whose token came with it, None for none; ``base``: the service's own URL."""

    params: Json
    identity: str | None
    base: str
    body: Json = field(default_factory=dict)

    @property
    def conditions(self) -> Conditions:
        return Conditions.of(self.params)

    @property
    def source_conditions(self) -> Conditions:
        return Conditions.of(self.params, "Source")


@dataclass(frozen=True)
class Conditions:
    """Preconditions of a request; None where not given."""

    generation: int | None = None
    not_generation: int | None = None
    metageneration: int | None = None
    not_metageneration: int | None = None

    @classmethod
    def of(cls, params: Json, what: str = "") -> Conditions:
        """``what``: Source for those of the object that is read."""
        names = ("GenerationMatch", "GenerationNotMatch", "MetagenerationMatch", "MetagenerationNotMatch")
        return cls(*(params.get(f"if{what}{name}") for name in names))

    def check(self, current: Json | None, *, reading: bool = False) -> None:
        """Raises 412 (304 for a read's negative condition) when they don't hold. Generation 0: no object."""
        generation = int(current["generation"]) if current and "generation" in current else 0
        metageneration = int(current["metageneration"]) if current else 0
        failed = "At least one of the pre-conditions you specified did not hold."
        if self.generation is not None and self.generation != generation:
            raise GoogleError(412, failed)
        if self.metageneration is not None and self.metageneration != metageneration:
            raise GoogleError(412, failed)
        negative = (self.not_generation, generation), (self.not_metageneration, metageneration)
        if any(asked is not None and asked == actual for asked, actual in negative):
            raise GoogleError(304 if reading else 412, failed)


def owner_of(project: str) -> str:
    """The account that owns a project."""
    return f"deployer@{project}.iam.gserviceaccount.com"


class Access:
    """Finds buckets for those who may know of them. Raises ``GoogleError`` 401, 403 and 404.

    The sandbox's own account may use every project; a bucket belongs to the account that created it and to the owner
    of its project. Everybody else has what the bucket's policy grants, to those, too, who are its project's owners,
    editors and viewers by the project's policy.
    """

    policy_of: Callable[[str], Json]
    """A project's policy."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.policy_of = lambda project: {}

    def project(self, identity: str | None, project: str, permission: str) -> None:
        if identity not in (ACCOUNT, owner_of(project)):
            raise denied(identity, permission, "project")

    def bucket(self, identity: str | None, name: str, permission: str) -> Bucket:
        bucket = self._database.bucket(name)
        if bucket is None:
            raise GoogleError(404, "The specified bucket does not exist.")
        if not self.holds(identity, bucket, permission):
            raise denied(identity, permission, "bucket")
        return bucket

    def object(self, identity: str | None, bucket_name: str, name: str, permission: str) -> Bucket:
        bucket = self._database.bucket(bucket_name)
        if bucket is None:
            raise GoogleError(404, "The specified bucket does not exist.")
        self.demand(identity, bucket, name, permission)
        return bucket

    def demand(self, identity: str | None, bucket: Bucket, name: str, permission: str) -> None:
        if not self.holds(identity, bucket, permission, name):
            raise denied(identity, permission, "object")

    def holds(self, identity: str | None, bucket: Bucket, permission: str, name: str | None = None) -> bool:
        """``name``: of the object in question, None for the bucket itself."""
        if identity in (bucket.creator, owner_of(bucket.project)):
            return True
        resource = f"projects/_/buckets/{bucket.name}" + ("" if name is None else f"/objects/{name}")
        names = members_of(identity)
        teams = teams_of(self.policy_of(bucket.project), names, bucket.project)
        # Where access is not uniform, objects have lists of access control, which begin with the project's teams.
        uniform = bucket.resource["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]
        if teams and not uniform and name is not None and permission == "storage.objects.get":
            return True
        names |= teams
        if bucket.resource["iamConfiguration"]["publicAccessPrevention"] == "enforced":
            names -= EVERYBODY
        return allows(bucket.policy, names, permission, resource, self._database.now())

    def missing(self, identity: str | None, bucket: Bucket, name: str) -> GoogleError:
        """The answer about an object that does not exist: only who may list is told."""
        if not self.holds(identity, bucket, "storage.objects.list"):
            return denied(identity, "storage.objects.list", "bucket")
        return GoogleError(404, f"No such object: {bucket.name}/{name}")
