"""Options that every module which asks Google has, and the one form of what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import env_fallback

from ..outcome import failure
from .errors import GoogleError

Json = dict[str, Any]

GKE_ENDPOINT = ("https://container.googleapis.com", "GKE_API_ENDPOINT")
GCS_ENDPOINT = ("https://storage.googleapis.com", "GCS_API_ENDPOINT")


def argument_spec(endpoint: tuple[str, str], **options: Json) -> Json:
    """The options of a module: its own and the common ones."""
    default, variable = endpoint
    return {
        "project": {"type": "str", "fallback": (env_fallback, ["GCP_PROJECT"])},
        "auth_kind": {
            "type": "str",
            "default": "application",
            "choices": ["application", "machineaccount", "serviceaccount", "accesstoken", "externalaccount"],
            "fallback": (env_fallback, ["GCP_AUTH_KIND"]),
        },
        "service_account_file": {"type": "path", "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_FILE"])},
        "service_account_contents": {
            "type": "jsonarg", "no_log": True, "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_CONTENTS"]),
        },
        "service_account_email": {"type": "str", "fallback": (env_fallback, ["GCP_SERVICE_ACCOUNT_EMAIL"])},
        "access_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["GCP_ACCESS_TOKEN"])},
        "external_account_file": {"type": "path", "fallback": (env_fallback, ["GCP_EXTERNAL_ACCOUNT_FILE"])},
        "scopes": {
            "type": "list", "elements": "str", "default": ["https://www.googleapis.com/auth/cloud-platform"],
            "fallback": (env_fallback, ["GCP_SCOPES"]),
        },
        "impersonate_service_account": {
            "type": "str",
            "fallback": (env_fallback, ["GCP_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"]),
        },
        "impersonate_service_account_delegates": {"type": "list", "elements": "str", "default": []},
        "impersonate_service_account_lifetime": {"type": "int", "default": 3600},
        "iam_credentials_endpoint": {
            "type": "str", "default": "https://iamcredentials.googleapis.com",
            "fallback": (env_fallback, ["IAM_CREDENTIALS_API_ENDPOINT"]),
        },
        "api_endpoint": {"type": "str", "default": default, "fallback": (env_fallback, [variable])},
        **options,
    }  # fmt: skip


def module_spec(endpoint: tuple[str, str], **options: Json) -> Json:
    """What makes such a module; all have check mode."""
    return {"argument_spec": argument_spec(endpoint, **options), "supports_check_mode": True}


def answered(params: Mapping[str, Any], work: Callable[[], Json]) -> Json:
    """What ``work`` returns; its error in words, with ``failed``, where it raises one."""
    if "project" in params and not params["project"]:
        return failure("project is not set: give it as an option or as GCP_PROJECT.")
    try:
        return work()
    except GoogleError as error:
        status = getattr(error, "status", None)
        extra = {"status": status, "reason": getattr(error, "reason", "")} if status else {}
        made = {"actions": list(error.made), "changed": True} if error.made else {}
        before = f" Changed before that: {'; '.join(error.made)}." if error.made else ""
        return failure(f"{error}{before}", **extra, **made)
