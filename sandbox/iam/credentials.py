"""Tokens of other service accounts, for who may act for them: https://cloud.google.com/iam/docs/reference/credentials/rest.

The sandbox's own account may act for every account of every project, so that one can see what each may do; another one
for those whose policy makes it a token creator.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..google.errors import GoogleError
from ..google.tokens import ACCOUNT, LIFETIME_SECONDS, Tokens, caller
from .policies import Policies

_CREATOR = "roles/iam.serviceAccountTokenCreator"
_DELEGATE = re.compile(r"projects/-/serviceAccounts/([^/]+)")
_EMAIL = re.compile(r"[a-z][a-z0-9-]{0,62}@[a-z][a-z0-9-]{0,62}\.iam\.gserviceaccount\.com")


class CredentialsApi:
    """One method: projects.serviceAccounts.generateAccessToken."""

    def __init__(self, tokens: Tokens, policies: Policies) -> None:
        self._tokens = tokens
        self._policies = policies

    def routes(self) -> list[Route]:
        path = "/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
        return [Route(path, self.generate, methods=["POST"])]

    async def generate(self, request: Request) -> Response:
        account = request.path_params["account"]
        try:
            body: Any = json.loads(await request.body() or b"{}")
        except ValueError:
            raise GoogleError(400, "Invalid JSON payload received.") from None
        if not isinstance(body, dict) or not body.get("scope"):
            raise GoogleError(400, "Scope required.")
        seconds = _seconds(body.get("lifetime", f"{LIFETIME_SECONDS}s"))
        chain = [caller(request.headers, self._tokens), *_delegates(body.get("delegates") or []), account]
        if not all(self._may_act_for(who, whom) for who, whom in pairwise(chain)):
            text = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            raise GoogleError(403, text)
        if not _EMAIL.fullmatch(account):
            raise GoogleError(404, "Not found; Gaia id not found for email " + account)
        issued = self._tokens.issue(account, seconds)
        ends = datetime.fromtimestamp(self._tokens.now() + seconds, UTC)
        expires = ends.isoformat(timespec="seconds").replace("+00:00", "Z")
        return JSONResponse({"accessToken": issued["access_token"], "expireTime": expires})

    def _may_act_for(self, who: str | None, account: str | None) -> bool:
        project = str(account).partition("@")[2].removesuffix(".iam.gserviceaccount.com")
        bindings = self._policies.get(f"projects/{project}/serviceAccounts/{account}").get("bindings", [])
        return who == ACCOUNT or any(
            binding["role"] == _CREATOR and f"serviceAccount:{who}" in binding["members"]
            for binding in bindings
        )


def _delegates(names: Any) -> list[str]:
    found = [_DELEGATE.fullmatch(str(name)) for name in names]
    if None in found:
        raise GoogleError(400, "Invalid form of a delegate: projects/-/serviceAccounts/{email} is wanted.")
    return [match[1] for match in found if match]


def _seconds(lifetime: Any) -> int:
    match = re.fullmatch(r"(\d+)s", lifetime if isinstance(lifetime, str) else "")
    if match is None or not 0 < int(match[1]) <= LIFETIME_SECONDS:
        raise GoogleError(400, f"The lifetime must be from 1s to {LIFETIME_SECONDS}s, not {lifetime}.")
    return int(match[1])
