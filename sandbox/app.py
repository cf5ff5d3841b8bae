"""One web application for every Google API of the sandbox."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from .compute.api import compute_service
from .gcs.api import PREFIXES, StorageApi
from .gcs.store import Store
from .gke.api import container_service
from .gke.clusters import Orchestrator
from .google.errors import GoogleError, respond
from .google.faults import Faults
from .google.service import Service
from .google.tokens import PROJECT, Tokens
from .iam import permissions
from .iam.api import Accounts, iam_service, resource_manager_service
from .iam.credentials import CredentialsApi
from .iam.service_usage import Services, service_usage

# Asked without a Google token: the token's own endpoint, the API servers' question (which has a credential of its own), whether it lives.
_OPEN = ("/token", "/tokenreview", "/healthz")


def make_app(
    orchestrator: Orchestrator, store: Store, tokens: Tokens, *, editors: tuple[str, ...] = ()
) -> ASGIApp:
    """The application; every API demands a valid bearer token.

    ``editors``: accounts that have the project's Editor role from the start.
    """

    async def token(request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        try:
            return JSONResponse(tokens.exchange(form))
        except GoogleError as error:
            _, _, description = error.message.partition(": ")
            return JSONResponse({"error": error.reason, "error_description": description}, error.status)

    async def token_review(request: Request) -> Response:
        shown = request.headers.get("authorization", "")
        if not secrets.compare_digest(shown.encode(), f"Bearer {tokens.reviewer}".encode()):
            raise GoogleError(401, "Only API servers of the sandbox ask whose a token is.")
        return JSONResponse(tokens.review(await request.json()))

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, GoogleError):
            raise error
        if error.status == 304:
            return Response(status_code=304)
        return respond(error, request.url.path)

    usage, accounts = Services(), Accounts()
    store.access.policy_of = lambda project: accounts.policies.get(f"projects/{project}")
    if editors:
        members = [f"serviceAccount:{editor}" for editor in editors]
        accounts.policies.set(
            f"projects/{PROJECT}", {"bindings": [{"role": "roles/editor", "members": members}]}
        )
    services = [
        container_service(orchestrator),
        service_usage(usage),
        iam_service(accounts),
        resource_manager_service(accounts),
        compute_service(orchestrator),
    ]

    async def google(request: Request) -> Response:
        identity = request.scope["identity"]
        if identity is None:
            raise GoogleError(404, f"The requested URL {request.url.path} was not found on this server.")

        def allowed(project: str, method: str) -> None:
            api = method.partition(".")[0]
            if api != "serviceusage":
                usage.check(project, f"{api}.googleapis.com")
            if api == "container":
                permissions.check(accounts.policies, identity, project, permissions.permission(method))

        return await _first_answer(services, request, allowed)

    app = Starlette(
        routes=[
            Route("/healthz", health),
            Route("/token", token, methods=["POST"]),
            Route("/tokenreview", token_review, methods=["POST"]),
            *StorageApi(store, tokens).routes(),
            *CredentialsApi(tokens, accounts.policies).routes(),
            Route("/{rest:path}", google, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ],
        exception_handlers={GoogleError: refused, 404: _unknown, 405: _unknown},
    )
    return Faults(_Authenticated(app, tokens), tokens)


async def _first_answer(
    services: list[Service], request: Request, allowed: Callable[[str, str], None]
) -> Response:
    """Asks the API of the request's host; on the sandbox's own address, which has all of them, one by one."""
    # www.googleapis.com has those that Compute Engine's links name.
    named = [service for service in services if service.host == request.url.hostname]
    for service in named or services:
        answer = await service.answer(request, allowed)
        if answer is not None:
            return answer
    raise GoogleError(404, f"The requested URL {request.url.path} was not found on this server.")


async def _unknown(request: Request, _: Exception) -> Response:
    error = GoogleError(501, f"not emulated here: {request.method} {request.url.path}")
    return respond(error, request.url.path)


class _Authenticated:
    """Refuses requests without a valid token before any of their body is read."""

    def __init__(self, app: ASGIApp, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            request = Request(scope)
            kind, _, token = request.headers.get("authorization", "").partition(" ")
            scope["identity"] = self._tokens.identity(token) if kind.lower() == "bearer" else None
            # Cloud Storage itself judges requests without credentials, since a bucket may be public.
            if scope["identity"] is None and not scope["path"].startswith(PREFIXES):
                text = (
                    "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
                    "cookie or other valid authentication credential."
                )
                await respond(GoogleError(401, text), scope["path"])(scope, receive, send)
                return
        await self._app(scope, receive, send)
