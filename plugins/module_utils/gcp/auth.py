"""Google credentials from a module's options, by google-auth. Names of options as in google.cloud."""

from __future__ import annotations

import json
import os
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..no_log import is_text, sound_token
from ..paths import absolute_path
from .auth_errors import auth_failure, complaint, unreachable
from .errors import BadInput, GoogleError

GOOGLE_AUTH_IMPORT_ERROR: str | None = None
try:
    import google.auth
    import google.auth.compute_engine
    import google.auth.credentials
    import google.auth.exceptions
    import google.auth.impersonated_credentials
    import google.auth.transport.requests
    import google.oauth2.credentials
    import google.oauth2.service_account
    import requests
except ImportError:
    GOOGLE_AUTH_IMPORT_ERROR = traceback.format_exc()

_KINDS = {
    "service_account_file": "serviceaccount",
    "service_account_contents": "serviceaccount",
    "service_account_email": "machineaccount",
    "access_token": "accesstoken",
    "external_account_file": "externalaccount",
}
"""The kind that an option is for."""

_OTHER_TYPES = {
    "service_account": ("serviceaccount", "service_account_file"),
    "external_account": ("externalaccount", "external_account_file"),
    "authorized_user": ("application", "GOOGLE_APPLICATION_CREDENTIALS"),
    "impersonated_service_account": ("application", "GOOGLE_APPLICATION_CREDENTIALS"),
    "external_account_authorized_user": ("application", "GOOGLE_APPLICATION_CREDENTIALS"),
}
"""What a file's C(type) is for: https://google.aip.dev/auth/4110"""

LIFETIME_MAX = 43200
"""Seconds; beyond 3600 an organization policy has to allow it: https://cloud.google.com/iam/docs/create-short-lived-credentials-direct"""


def credentials(params: Mapping[str, Any]) -> Any:
    """google-auth credentials. Raises ``BadInput`` when the options don't go together, ``GoogleError`` otherwise."""
    kind = params["auth_kind"]
    for option, its_kind in _KINDS.items():
        if params.get(option) and its_kind != kind:
            raise BadInput(
                f"{option} (or its environment variable) is for auth_kind={its_kind}, and auth_kind is {kind}: "
                "set the other kind, or leave the option out."
            )
    try:
        found = _OF_KIND[kind](params)
        return _impersonated(found, params) if params.get("impersonate_service_account") else found
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise BadInput(
            f"No Google credentials were found: {complaint(error)}. Set GOOGLE_APPLICATION_CREDENTIALS, "
            "run `gcloud auth application-default login`, or give auth_kind=serviceaccount and service_account_file."
        ) from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise GoogleError(auth_failure(error, params)) from error


def _application(params: Mapping[str, Any]) -> Any:
    where = "GOOGLE_APPLICATION_CREDENTIALS"
    path = os.environ.get(where)
    if path:
        _read(where, path)
    try:
        # With scopes google-auth would ask for the project, too, at once, and nobody needs to know it.
        found, _unused = google.auth.default()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, google.auth.exceptions.GoogleAuthError):
            raise
        # Its text may hold parts of a key.
        raise BadInput(
            f"{f'{where} {path}' if path else 'The application default credentials'} can't be used: this is no file as "
            "Google hands it out. Download it again, or run `gcloud auth application-default login`."
        ) from None
    return google.auth.credentials.with_scopes_if_required(found, params["scopes"])


def _machine_account(params: Mapping[str, Any]) -> Any:
    return google.auth.compute_engine.Credentials(params.get("service_account_email") or "default")


def _access_token(params: Mapping[str, Any]) -> Any:
    if not params["access_token"]:
        raise BadInput("auth_kind=accesstoken needs access_token (or GCP_ACCESS_TOKEN).")
    token = sound_token(params["access_token"])
    if token is None:
        raise BadInput(
            "access_token (or GCP_ACCESS_TOKEN) is empty, or has a blank, a line break, a quote or another character that "
            "no token has: give it as it was handed out, and nothing else."
        )
    return google.oauth2.credentials.Credentials(token=token)


def _service_account(params: Mapping[str, Any]) -> Any:
    contents, path = params["service_account_contents"], params["service_account_file"]
    if contents:
        info = _parsed("service_account_contents", contents) if isinstance(contents, str) else contents
        where = "service_account_contents"
    elif path:
        info, where = _read("service_account_file", path), f"service_account_file {path}"
    else:
        raise BadInput("auth_kind=serviceaccount needs service_account_file or service_account_contents.")
    _check_type(info, "service_account", where)
    missing = [name for name in ("client_email", "private_key", "token_uri") if not info.get(name)]
    wrong = f"it lacks {', '.join(missing)}" if missing else "its private_key can't be read"
    try:
        if not missing:
            return google.oauth2.service_account.Credentials.from_service_account_info(
                info, scopes=params["scopes"]
            )
    except (google.auth.exceptions.GoogleAuthError, ValueError, TypeError, AttributeError):
        pass  # Its text may hold parts of the key.
    raise BadInput(f"{where} is not a key as Google hands it out, {wrong}: download it again.")


def _external_account(params: Mapping[str, Any]) -> Any:
    path = params["external_account_file"]
    if not path:
        raise BadInput(
            "auth_kind=externalaccount needs external_account_file (or GCP_EXTERNAL_ACCOUNT_FILE), the credential "
            "configuration that `gcloud iam workload-identity-pools create-cred-config` writes."
        )
    where = f"external_account_file {path}"
    _check_type(_read("external_account_file", path), "external_account", where)
    try:
        with warnings.catch_warnings():
            # It warns of configurations from strangers; this one is the operator's, and its type is checked.
            warnings.simplefilter("ignore", DeprecationWarning)
            found, _unused = google.auth.load_credentials_from_file(str(path))
    except (google.auth.exceptions.GoogleAuthError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{where} is not a credential configuration: {complaint(error)}. Create it anew with "
            "`gcloud iam workload-identity-pools create-cred-config`."
        ) from error
    return google.auth.credentials.with_scopes_if_required(found, params["scopes"])


_OF_KIND: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "application": _application,
    "machineaccount": _machine_account,
    "accesstoken": _access_token,
    "serviceaccount": _service_account,
    "externalaccount": _external_account,
}


def _impersonated(source: Any, params: Mapping[str, Any]) -> Any:
    seconds = params["impersonate_service_account_lifetime"]
    if not 1 <= seconds <= LIFETIME_MAX:
        raise BadInput(
            f"impersonate_service_account_lifetime must be from 1 to {LIFETIME_MAX} seconds, not {seconds}."
        )
    account = params["impersonate_service_account"]
    endpoint = params["iam_credentials_endpoint"].rstrip("/")
    return google.auth.impersonated_credentials.Credentials(
        source,
        target_principal=account,
        target_scopes=params["scopes"],
        delegates=[
            name if "/" in name else f"projects/-/serviceAccounts/{name}"
            for name in params["impersonate_service_account_delegates"]
        ],
        lifetime=seconds,
        iam_endpoint_override=f"{endpoint}/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
    )


def _read(option: str, path: Any) -> dict[str, Any]:
    if is_text(str(path)):
        # It holds secrets, and is not to be shown.
        raise BadInput(
            f"{option} is what is in a file of credentials, as text: give the file's path. The text of a service account's "
            "key goes into service_account_contents."
        )
    file = Path(absolute_path(path))
    try:
        return _parsed(f"{option} {path}", file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"{option} {file}: {error.strerror}.") from error
    except ValueError:
        raise BadInput(f"{option} {path} is not JSON: give the file as Google handed it out.") from None


def _parsed(where: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadInput(f"{where} is not JSON: give the file as Google handed it out.") from error
    if not isinstance(found, dict):
        raise BadInput(f"{where} is not a JSON object: give the file as Google handed it out.")
    return found


def _check_type(info: Mapping[str, Any], desired: str, where: str) -> None:
    """Each kind of file has its own kind of credentials."""
    found = info.get("type", desired)
    if found == desired:
        return
    kind, option = _OTHER_TYPES.get(str(found), ("", ""))
    way = f"give it with auth_kind={kind} and {option}" if kind else "give another file"
    raise BadInput(f"{where} is of type {found}, not {desired}: {way}.")


def session(params: Mapping[str, Any], found: Any = None) -> Any:
    """A requests session that signs every request, and renews its token whenever that expires. ``found``: its credentials."""
    plain = requests.Session()
    return google.auth.transport.requests.AuthorizedSession(
        found or credentials(params), auth_request=google.auth.transport.requests.Request(plain)
    )


def fresh(params: Mapping[str, Any], found: Any = None) -> Any:
    """Credentials, those ``found`` if any, with a token that is good. Raises ``GoogleError`` when none is to be had."""
    found = found or credentials(params)
    if not found.valid:
        refresh(found, params)
    return found


def refresh(found: Any, params: Mapping[str, Any]) -> None:
    """A new token in the credentials. Raises ``GoogleError`` when none is to be had."""
    try:
        found.refresh(google.auth.transport.requests.Request())
    except google.auth.exceptions.TransportError as error:
        raise GoogleError(unreachable(error)) from error
    except google.auth.exceptions.GoogleAuthError as error:
        raise GoogleError(auth_failure(error, params)) from error
