"""The seam to Google: reads the lists in which leftovers would be, all at once. What can't be read becomes ``Unread``."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from ..gcp.errors import ApiError, GoogleError
from ..preflight.gather import Apis
from ..preflight.project import Unread
from .judge import KINDS
from .site import Answers, Site, plural

Json = dict[str, Any]

_THREADS = 6
_PAGE = 500
_PERMISSION = "Allow this account to read it (docs/security.md, What teardown removes)."


def gather(site: Site, apis: Apis) -> Answers:
    """What Google has. Fails for nothing."""
    clusters = _read(_clusters, site, apis)  # Alone, so that one token is fetched and not one a thread.
    with ThreadPoolExecutor(_THREADS) as threads:
        compute = {noun: threads.submit(_read, _compute(noun), site, apis) for noun in KINDS}
        accounts = threads.submit(_read, _accounts, site, apis) if site.accounts else None
        bucket = threads.submit(_read, _bucket, site, apis)
        policy = threads.submit(_read, _policy, site, apis)
        return Answers(
            clusters,
            {noun: future.result() for noun, future in compute.items()},
            accounts.result() if accounts else [],
            bucket.result(),
            policy.result() if isinstance(bucket.result(), dict) else None,
        )


def _read(reader: Callable[[Site, Apis], Any], site: Site, apis: Apis) -> Any:
    try:
        return reader(site, apis)
    except ApiError as error:
        return Unread(str(error).rstrip("."), _PERMISSION)
    except GoogleError as error:
        return Unread(str(error).rstrip("."))


def _clusters(site: Site, apis: Apis) -> list[Json]:
    path = f"/v1/projects/{site.project}/locations/-/clusters"
    return list(apis.call("gke", "GET", path, "clusters of the project").get("clusters", []))


def _compute(noun: str) -> Callable[[Site, Apis], list[Json]]:
    def read(site: Site, apis: Apis) -> list[Json]:
        everywhere = noun != "firewalls"  # Of those there are no others than global ones.
        path = f"/compute/v1/projects/{site.project}/{'aggregated' if everywhere else 'global'}/{noun}"
        pages = list(apis.items("compute", path, plural(KINDS[noun]), {"maxResults": _PAGE}))
        if not everywhere:
            return [item for page in pages for item in page.get("items", [])]
        return [
            item for page in pages for scope in page.get("items", {}).values() for item in scope.get(noun, [])
        ]

    return read


def _accounts(site: Site, apis: Apis) -> list[Json]:
    path = f"/v1/projects/{site.project}/serviceAccounts"
    pages = apis.items("iam", path, "service accounts", {"pageSize": 100})
    return [account for page in pages for account in page.get("accounts", [])]


def _bucket(site: Site, apis: Apis) -> Json | None:
    if not site.bucket:
        return None
    try:
        return apis.call("storage", "GET", _path(site), f"bucket {site.bucket}")
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _policy(site: Site, apis: Apis) -> Json | None:
    if not site.bucket:
        return None
    try:
        return apis.call(
            "storage", "GET", f"{_path(site)}/iam", f"IAM policy of bucket {site.bucket}",
            query={"optionsRequestedPolicyVersion": 3},
        )  # fmt: skip
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def _path(site: Site) -> str:
    return f"/storage/v1/b/{quote(site.bucket, safe='')}"
