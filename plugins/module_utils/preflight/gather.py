"""The seam to the project: reads what rules ask about, all at once, and changes nothing.

What can't be read becomes ``Unread`` with Google's words; no failure here fails the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from ..gcp.errors import ApiError, GoogleError
from ..gcp.rest import Google
from ..gke.desired import cluster_path, parent_path
from ..retry import paged
from ..variables.settings import Settings
from . import model_size
from .project import NOT_ASKED, Bucket, MachineType, Project, Quota, Unread
from .rules_access import SET_POLICY

Json = dict[str, Any]

HOSTS = {
    "gke": "https://container.googleapis.com",
    "storage": "https://storage.googleapis.com",
    "compute": "https://compute.googleapis.com",
    "iam": "https://iam.googleapis.com",
    "projects": "https://cloudresourcemanager.googleapis.com",
}

_THREADS = 8
_PERMISSION = "Allow this account to read it (docs/preflight.md has the permissions), or ignore the rule."
_SPELLING = "Is it spelled right? Or ignore the rule."


@dataclass(frozen=True)
class Apis:
    """Google's services by the names in ``HOSTS``."""

    google: Google
    endpoints: Mapping[str, str]

    def call(
        self,
        api: str,
        method: str,
        path: str,
        what: str,
        body: Json | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Json:
        service = replace(self.google, endpoint=self.endpoints[api])
        return service.call(method, path, body, query=query or {}, repeatable=True, what=what)

    def items(self, api: str, path: str, what: str, query: Mapping[str, object]) -> Iterator[Json]:
        """All pages of a list."""

        def page(token: str | None) -> tuple[Json, str | None]:
            found = self.call(api, "GET", path, what, query={**query, "pageToken": token})
            return found, found.get("nextPageToken")

        yield from paged(page, self.google.clock, lambda words: GoogleError(f"{what}: {words}"))


def gather(settings: Settings, apis: Apis | Unread) -> Project:
    """Everything that the rules may want to know. ``apis``: or why Google can't be asked."""
    if isinstance(apis, Unread):
        return _nothing(apis, settings)
    if settings.cluster.given and not settings.storage.bucket:
        return Project(bucket=None, model_bytes=None)
    first = _cluster if not settings.cluster.given else _bucket
    # Alone, so that one token is fetched and not one a thread.
    begin = _read(first, settings, apis)
    if isinstance(begin, Unread) and not begin.hint:
        return _nothing(begin, settings)  # Google was not reached, or gave no token.
    wanted = {"cluster": _cluster, "bucket": _bucket, **_wanted(settings)}
    known = {"cluster" if first is _cluster else "bucket": begin}
    if settings.cluster.given:
        wanted.pop("cluster")
        known["cluster"] = NOT_ASKED
    with ThreadPoolExecutor(_THREADS) as threads:
        waiting = {
            name: threads.submit(_read, reader, settings, apis)
            for name, reader in wanted.items()
            if name not in known
        }
    found = {**known, **{name: future.result() for name, future in waiting.items()}}
    model = found.pop("model")
    size, versions = (model, model) if isinstance(model, Unread) else model
    return Project(**found, model_bytes=size, model_versions=versions)


def _wanted(settings: Settings) -> dict[str, Callable[[Settings, Apis], Any]]:
    """The readers of what the settings give a reason to ask about."""
    cluster, found = settings.cluster, dict[str, Callable[[Settings, Apis], Any]]()
    found["model"] = _model
    if settings.serving.google_service_account:
        found["account_policy"] = _account_policy
    if cluster.given:
        return found
    if not settings.storage.workload_identity and not settings.serving.google_service_account:
        found["project_policy"] = _project_policy
    if cluster.version or cluster.min_version or any(pool.version for pool in cluster.pools):
        found["server_config"] = _server_config
    if cluster.pools:
        found |= {"quotas": _quotas, "machine_types": _machine_types}
    if any(pool.accelerators for pool in cluster.pools):
        found["accelerator_types"] = _accelerator_types
    return found


def _read(reader: Callable[[Settings, Apis], Any], settings: Settings, apis: Apis) -> Any:
    try:
        return reader(settings, apis)
    except ApiError as error:
        return Unread(str(error).rstrip("."), _SPELLING if error.status == 404 else _PERMISSION)
    except GoogleError as error:
        return Unread(str(error).rstrip("."))


def _nothing(why: Unread, settings: Settings) -> Project:
    """A project of which only local files are known."""
    size: int | Unread | None = why
    if not settings.storage.bucket:
        size = None
    elif model_size.is_local(settings.storage.source) and not settings.storage.served:
        size = model_size.local(settings.storage.source)
    return Project(why, why, why, why, why, why, why, why, size, why)


def _cluster(settings: Settings, apis: Apis) -> Json | None:
    cluster = settings.cluster
    path = cluster_path(settings.project, cluster.location, cluster.name)
    return _or_none(lambda: apis.call("gke", "GET", path, f"cluster {cluster.name}"))


def _or_none(ask: Callable[[], Json]) -> Json | None:
    try:
        return ask()
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _server_config(settings: Settings, apis: Apis) -> Json:
    path = f"{parent_path(settings.project, settings.cluster.location)}/serverConfig"
    return apis.call("gke", "GET", path, "versions of Kubernetes")


def _quotas(settings: Settings, apis: Apis) -> dict[str, Quota]:
    path = f"/compute/v1/projects/{settings.project}/regions/{settings.cluster.region}"
    found = apis.call("compute", "GET", path, f"quotas of region {settings.cluster.region}")
    return {one["metric"]: Quota(one["limit"], one["usage"]) for one in found.get("quotas", [])}


def _machine_types(settings: Settings, apis: Apis) -> dict[str, dict[str, MachineType]]:
    names = {pool.machine_type for pool in settings.cluster.pools if "custom-" not in pool.machine_type}
    found: dict[str, dict[str, MachineType]] = {}
    for zone, one in _offered("machineTypes", "machine types", names, settings, apis):
        cards = tuple(
            (card["guestAcceleratorType"], int(card["guestAcceleratorCount"]))
            for card in one.get("accelerators", [])
        )
        size = MachineType(int(one["guestCpus"]), int(one["memoryMb"]), cards)
        found.setdefault(one["name"], {})[zone] = size
    return found


def _accelerator_types(settings: Settings, apis: Apis) -> dict[str, frozenset[str]]:
    names = {kind for pool in settings.cluster.pools for kind, _unused in pool.accelerators}
    found: dict[str, frozenset[str]] = {}
    for zone, one in _offered("acceleratorTypes", "accelerators", names, settings, apis):
        found[one["name"]] = found.get(one["name"], frozenset()) | {zone}
    return found


def _offered(
    noun: str, what: str, names: set[str], settings: Settings, apis: Apis
) -> Iterator[tuple[str, Json]]:
    """Zones and what they offer of these names. One request for all zones, so that others can be advised."""
    if not names:
        return
    wanted = " OR ".join(f'(name = "{name}")' for name in sorted(names))
    path = f"/compute/v1/projects/{settings.project}/aggregated/{noun}"
    for page in apis.items("compute", path, what, {"filter": wanted, "maxResults": 500}):
        for scope, offers in page.get("items", {}).items():
            for one in offers.get(noun, []):
                yield scope.removeprefix("zones/"), one


def _bucket(settings: Settings, apis: Apis) -> Bucket | None:
    name = settings.storage.bucket
    if not name:
        return None
    path = f"/storage/v1/b/{quote(name, safe='')}"
    found = _or_none(
        lambda: apis.call("storage", "GET", path, f"bucket {name}", query={"fields": "name,projectNumber"})
    )
    if found is None:
        return None

    def policy(_unused: Settings, __: Apis) -> Json:
        return apis.call(
            "storage",
            "GET",
            f"{path}/iam",
            f"IAM policy of bucket {name}",
            query={"optionsRequestedPolicyVersion": 3},
        )

    def permissions(_unused: Settings, __: Apis) -> frozenset[str]:
        answer = apis.call(
            "storage",
            "GET",
            f"{path}/iam/testPermissions",
            f"permissions on bucket {name}",
            query={"permissions": SET_POLICY},
        )
        return frozenset(answer.get("permissions", []))

    return Bucket(
        str(found.get("projectNumber", "")),
        _read(policy, settings, apis),
        _read(permissions, settings, apis),
    )


def _project_policy(settings: Settings, apis: Apis) -> Json:
    path = f"/v1/projects/{settings.project}:getIamPolicy"
    return apis.call("projects", "POST", path, f"IAM policy of project {settings.project}", {})


def _account_policy(settings: Settings, apis: Apis) -> Json:
    account = settings.serving.google_service_account
    path = f"/v1/projects/-/serviceAccounts/{quote(account, safe='@')}:getIamPolicy"
    return apis.call("iam", "POST", path, f"IAM policy of {account}")


def _model(settings: Settings, apis: Apis) -> tuple[int | tuple[int, ...] | None, frozenset[int] | Unread]:
    """The size of what is served next: what is named, else published, else what the bucket has; and what it has."""
    storage = settings.storage
    if not storage.bucket:
        return None, NOT_ASKED  # In an image or a volume, where only pods can look.
    if storage.served:
        return tuple(_size(apis, uri) or 0 for uri in storage.served), NOT_ASKED
    if model_size.is_local(storage.source):
        return model_size.local(storage.source), NOT_ASKED
    if storage.source:
        return _size(apis, storage.source), NOT_ASKED
    prefix = f"{storage.path}/"
    found = _or_none(lambda: {"objects": list(_objects(apis, storage.bucket, prefix))})
    objects = [] if found is None else found["objects"]
    size = model_size.of_version(objects, prefix, storage.version)
    return size, model_size.whole_versions(objects, prefix)


def _size(apis: Apis, uri: str) -> int | None:
    """Bytes of all objects below gs://BUCKET/PATH; None where there are none, or no bucket."""
    bucket, _unused, prefix = uri.removeprefix("gs://").partition("/")
    found = _or_none(lambda: {"size": model_size.of_folder(_objects(apis, bucket, f"{prefix.rstrip('/')}/"))})
    return None if found is None else found["size"]


def _objects(apis: Apis, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
    path = f"/storage/v1/b/{quote(bucket, safe='')}/o"
    fields = "items(name,size),nextPageToken"
    for page in apis.items(
        "storage", path, f"objects of gs://{bucket}/{prefix}", {"prefix": prefix, "fields": fields}
    ):
        for item in page.get("items", []):
            yield item["name"], int(item["size"])
