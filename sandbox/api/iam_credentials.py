"""Tokens of other service accounts, for who may act for them: https://cloud.google.com/iam/docs/reference/credentials/rest.

The sandbox's own account may act for every account of every project, so that one can see what each may do.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .errors import GoogleError
from .tokens import ACCOUNT, LIFETIME_SECONDS, Tokens, caller

_EMAIL = re.compile(r"[a-z][a-z0-9-]{0,62}@[a-z][a-z0-9-]{0,62}\.iam\.gserviceaccount\.com")


class CredentialsApi:
    """One method: projects.serviceAccounts.generateAccessToken."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

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
        if caller(request.headers, self._tokens) != ACCOUNT:
            text = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."
            raise GoogleError(403, text)
        if not _EMAIL.fullmatch(account):
            raise GoogleError(404, "Not found; Gaia id not found for email " + account)
        issued = self._tokens.issue(account, seconds)
        ends = datetime.fromtimestamp(self._tokens.now() + seconds, UTC)
        expires = ends.isoformat(timespec="seconds").replace("+00:00", "Z")
        return JSONResponse({"accessToken": issued["access_token"], "expireTime": expires})


def _seconds(lifetime: Any) -> int:
    match = re.fullmatch(r"(\d+)s", lifetime if isinstance(lifetime, str) else "")
    if match is None or not 0 < int(match[1]) <= LIFETIME_SECONDS:
        raise GoogleError(400, f"The lifetime must be from 1s to {LIFETIME_SECONDS}s, not {lifetime}.")
    return int(match[1])
