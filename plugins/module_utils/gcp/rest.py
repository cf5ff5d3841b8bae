"""The only seam to Google: requests with a session, retries where they are safe, errors in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..no_log import MASK
from ..retry import REFUSED_UNTOUCHED, TRANSIENT, Clock, Policy, Transient, retried, seconds_of
from .auth_errors import auth_failure, cause, unreachable
from .errors import GoogleError, NoAnswer, parse_error

Json = dict[str, Any]

POLICY = Policy(attempts=6)
"""Of one request; about half a minute."""

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and between two bytes of an answer."""


@dataclass(frozen=True)
class Answer:
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self, what: str, *, empty: bool = True) -> Json:
        """The body, without what is null: to Google that is as not being there. Raises ``NoAnswer`` for any other.

        ``empty``: whether there may be none.
        """
        try:
            found = json.loads(self.body or (b"{}" if empty else b""))
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise NoAnswer(
                f"{what}: the answer is not of Google's API, but something that is no JSON object. "
                "Is a proxy or its login page in between?"
            )
        return {key: value for key, value in found.items() if value is not None}


class Transport(Protocol):
    """One request as it is; raises ``ConnectionError`` when no answer came."""

    def __call__(self, method: str, url: str, *, body: Any, headers: Mapping[str, str]) -> Answer: ...


class NoToken(ConnectionError):
    """Who hands out tokens could not be reached, so that the request itself was not sent."""


@dataclass
class Google:
    """One of Google's services at ``endpoint``. ``policy``: how a request is tried again."""

    endpoint: str
    transport: Transport
    clock: Clock = field(default_factory=Clock)
    policy: Policy = POLICY

    def call(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Mapping[str, object] | None = None,
        repeatable: bool | None = None,
        retriable: tuple[int, ...] = (),
        what: str = "",
    ) -> Json:
        """The JSON that a method answers. Raises ``ApiError``, and ``NoAnswer`` where none came.

        ``repeatable``: whether doing it twice is the same as once; for GET that is so. Other requests are
        repeated only after answers which say that nothing was done, or those of ``retriable`` if that is given.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"Content-Type": "application/json"}
        what = what or f"{method} {path}"
        return self.send(
            method,
            path,
            data,
            headers,
            query=query,
            repeatable=repeatable,
            retriable=retriable,
            what=what,
            of_json=True,
        ).json(what)

    def send(
        self,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
        *,
        query: Mapping[str, object] | None = None,
        repeatable: bool | None = None,
        retriable: tuple[int, ...] = (),
        accept: tuple[int, ...] = (),
        what: str = "",
        of_json: bool = False,
    ) -> Answer:
        """As ``call``, for any body. ``accept``: statuses of 300 and more that are no error.

        ``of_json``: whether a success is a JSON object; what is not is no answer.
        """
        url = path if path.startswith("http") else self.endpoint.rstrip("/") + path
        if query:
            from urllib.parse import urlencode  # noqa: PLC0415

            url += ("&" if "?" in url else "?") + urlencode({k: v for k, v in query.items() if v is not None})
        again = method == "GET" if repeatable is None else repeatable
        retriable = retriable or (TRANSIENT if again else REFUSED_UNTOUCHED)
        what = what or f"{method} {url}"

        def once() -> Answer:
            try:
                answer = self.transport(method, url, body=body, headers=headers)
            except NoToken as error:
                raise Transient(GoogleError(f"{what}: {error}")) from error
            except ConnectionError as error:
                lost = NoAnswer(
                    f"{what}: no answer from {self.endpoint}: {error}. Is it reachable from here?"
                )
                raise (Transient(lost) if again else lost) from error
            if answer.status < 300 or answer.status in accept:
                try:
                    if of_json:
                        answer.json(what, empty=not again)
                except NoAnswer as error:
                    raise (Transient(error) if again else error) from error
                return answer
            refused = parse_error(answer.status, answer.body, what)
            if answer.status in retriable:
                wished = seconds_of(answer.headers.get("retry-after"), self.clock.wall())
                raise Transient(refused, wished)
            raise refused

        return retried(once, self.policy, self.clock)


def connect(params: Mapping[str, Any], found: Any = None) -> Google:
    """The service at ``api_endpoint`` with the options' credentials, or those that were ``found``. Asks nothing yet."""
    import google.auth.exceptions  # noqa: PLC0415 missing packages are told by the caller
    import requests  # noqa: PLC0415

    from .auth import session  # noqa: PLC0415

    signed = session(params, found)

    def transport(method: str, url: str, *, body: Any, headers: Mapping[str, str]) -> Answer:
        try:
            answer = signed.request(
                method, url, data=body, headers=dict(headers), timeout=TIMEOUT, allow_redirects=False
            )
            content, token = answer.content, signed.credentials.token
            if answer.status_code >= 300 and token:
                content = content.replace(token.encode(), MASK)  # A server may repeat what it was sent.
            return Answer(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, content)
        except google.auth.exceptions.TransportError as error:
            raise NoToken(unreachable(error)) from error
        except google.auth.exceptions.GoogleAuthError as error:
            raise GoogleError(auth_failure(error, params)) from error
        except (requests.exceptions.InvalidHeader, UnicodeError):
            # Its text holds the header, and so the token.
            raise GoogleError(
                "Whoever handed out the access token gave one with a character that no token has."
            ) from None
        except requests.exceptions.RequestException as error:
            raise ConnectionError(cause(error)) from error

    return Google(params["api_endpoint"], transport, policy=POLICY)
