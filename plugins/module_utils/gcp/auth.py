"""Google credentials from a module's options, by google-auth. Names of options as in google.cloud."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from typing import Any

from .errors import BadInput, GoogleError

GOOGLE_AUTH_IMPORT_ERROR: str | None = None
try:
    import google.auth
    import google.auth.compute_engine
    import google.auth.exceptions
    import google.auth.transport.requests
    import google.oauth2.credentials
    import google.oauth2.service_account
    import requests
except ImportError:
    GOOGLE_AUTH_IMPORT_ERROR = traceback.format_exc()


def credentials(params: Mapping[str, Any]) -> Any:
    """google-auth credentials; raises ``BadInput`` when the options don't go together."""
    kind, scopes = params["auth_kind"], params["scopes"]
    try:
        if kind == "application":
            found, _unused = google.auth.default(scopes=scopes)
            return found
        if kind == "machineaccount":
            return google.auth.compute_engine.Credentials(params["service_account_email"] or "default")
        if kind == "accesstoken":
            if not params["access_token"]:
                raise BadInput("auth_kind=accesstoken needs access_token (or GCP_ACCESS_TOKEN).")
            return google.oauth2.credentials.Credentials(token=params["access_token"])
        service_account = google.oauth2.service_account.Credentials
        if params["service_account_contents"]:
            info = params["service_account_contents"]
            return service_account.from_service_account_info(
                json.loads(info) if isinstance(info, str) else info, scopes=scopes
            )
        if params["service_account_file"]:
            return service_account.from_service_account_file(params["service_account_file"], scopes=scopes)
    except google.auth.exceptions.DefaultCredentialsError as error:
        raise BadInput(
            f"No Google credentials were found: {str(error).splitlines()[0]} Set GOOGLE_APPLICATION_CREDENTIALS, "
            "run `gcloud auth application-default login`, or give auth_kind=serviceaccount and service_account_file."
        ) from error
    except OSError as error:
        raise BadInput(f"service_account_file {params['service_account_file']}: {error.strerror}.") from error
    except (ValueError, KeyError) as error:
        raise BadInput(
            "The service account's key is not what Google hands out: download it again."
        ) from error
    raise BadInput("auth_kind=serviceaccount needs service_account_file or service_account_contents.")


def session(params: Mapping[str, Any]) -> Any:
    """A requests session that signs every request, and renews its token whenever that expires."""
    plain = requests.Session()
    return google.auth.transport.requests.AuthorizedSession(
        credentials(params), auth_request=google.auth.transport.requests.Request(plain)
    )


def access_token(params: Mapping[str, Any]) -> str:
    """A fresh token. Raises ``GoogleError`` when none is to be had."""
    found = credentials(params)
    try:
        if not found.valid:
            found.refresh(google.auth.transport.requests.Request())
    except google.auth.exceptions.GoogleAuthError as error:
        raise GoogleError(auth_failure(error)) from error
    return str(found.token)


def auth_failure(error: Exception) -> str:
    """google-auth's complaint in one line, with the way out."""
    words = str(error.args[0] if error.args else error).splitlines()[0]
    if "necessary fields" in words:
        # google-auth tries to renew a token that was refused, and a bare token can't be renewed.
        return "Google does not accept the access token that was given, or no longer: give a fresh one."
    return f"Google gave no access token: {words}. Is the account's key still valid, and is the clock right?"
