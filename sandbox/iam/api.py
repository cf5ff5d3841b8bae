"""The little of IAM and Cloud Resource Manager that setting up a project touches: service accounts and policies."""

from __future__ import annotations

import hashlib
import re

from ..google.discovery import Json
from ..google.errors import GoogleError
from ..google.projects import project_number
from ..google.service import Call, Handler, Service
from ..google.tokens import ACCOUNT, PROJECT
from .policies import Policies

IAM_HOST = "iam.googleapis.com"
RESOURCE_MANAGER_HOST = "cloudresourcemanager.googleapis.com"
_ACCOUNT_ID = re.compile(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])")


class Accounts:
    """Service accounts of every project. The sandbox's own one is there from the start."""

    def __init__(self) -> None:
        self._all: dict[str, Json] = {}
        self.policies = Policies(lambda email: email in self._all)
        self.create(PROJECT, {"accountId": ACCOUNT.partition("@")[0]})

    def create(self, project: str, body: Json) -> Json:
        account = body.get("accountId", "")
        if not _ACCOUNT_ID.fullmatch(account):
            raise GoogleError(
                400, f'The account ID "{account}" must be 6 to 30 lower-case letters, digits and hyphens, '
                "begin with a letter and not end with a hyphen.",
            )  # fmt: skip
        email = f"{account}@{project}.iam.gserviceaccount.com"
        if email in self._all:
            raise GoogleError(
                409, f"Service account {account} already exists within project projects/{project}."
            )
        number = str(int(hashlib.sha256(email.encode()).hexdigest()[:17], 16)).rjust(21, "1")
        self._all[email] = {
            **{key: value for key, value in body.get("serviceAccount", {}).items() if key in _MUTABLE},
            "email": email,
            "name": f"projects/{project}/serviceAccounts/{email}",
            "oauth2ClientId": number,
            "projectId": project,
            "uniqueId": number,
        }
        return self._shown(email)

    def _shown(self, email: str) -> Json:
        return self._all[email] | {"etag": "MDEwMjE5MjA="}

    def find(self, project: str, name: str) -> str:
        """The e-mail of an account by that or by its number; ``-`` is any project."""
        for email, account in self._all.items():
            if name in (email, account["uniqueId"]) and project in ("-", account["projectId"]):
                return email
        raise GoogleError(404, "Unknown service account")

    def get(self, project: str, name: str) -> Json:
        return self._shown(self.find(project, name))

    def known(self, project: str) -> list[Json]:
        return [self._shown(email) for email, account in self._all.items() if account["projectId"] == project]

    def delete(self, project: str, name: str) -> Json:
        email = self.find(project, name)
        self.policies.forget(self._all.pop(email)["name"])
        return {}

    def patch(self, project: str, name: str, body: Json) -> Json:
        """Only what the mask names; the answer has no more than that, as Google's."""
        email = self.find(project, name)
        mask = [
            re.sub(r"_(\w)", lambda m: m[1].upper(), f) for f in body.get("updateMask", "").split(",") if f
        ]
        wrong = [field for field in mask if field not in _MUTABLE]
        if wrong or not mask:
            raise GoogleError(400, f"Invalid update_mask: {', '.join(wrong) or 'it is empty'}.")
        asked = body.get("serviceAccount", {})
        self._all[email] |= {field: asked.get(field, "") for field in mask}
        return {field: asked.get(field, "") for field in mask} | {"name": self._all[email]["name"]}

    def update(self, project: str, name: str, account: Json) -> Json:
        email = self.find(project, name)
        self._all[email] |= {field: account[field] for field in _MUTABLE if field in account}
        return self._shown(email)


_MUTABLE = ("displayName", "description")


def iam_service(accounts: Accounts) -> Service:
    """Service accounts and who may use them."""

    def policy_name(call: Call) -> str:
        project, name = call.path
        return str(accounts.get(project, name)["name"])

    handlers: dict[str, Handler] = {
        "serviceAccounts.create": lambda call: accounts.create(call.path[0], call.body),
        "serviceAccounts.get": lambda call: accounts.get(*call.path),
        "serviceAccounts.list": lambda call: {"accounts": accounts.known(call.path[0])},
        "serviceAccounts.delete": lambda call: accounts.delete(*call.path),
        "serviceAccounts.patch": lambda call: accounts.patch(call.path[0], call.path[1], call.body),
        "serviceAccounts.update": lambda call: accounts.update(call.path[0], call.path[1], call.body),
        "serviceAccounts.getIamPolicy": lambda call: accounts.policies.get(policy_name(call)),
        "serviceAccounts.setIamPolicy": lambda call: accounts.policies.set(
            policy_name(call), call.body.get("policy", {})
        ),
    }
    return Service(IAM_HOST, ("iam.v1",), handlers)


def resource_manager_service(accounts: Accounts) -> Service:
    """Projects: every name is one, and has a policy."""
    handlers: dict[str, Handler] = {
        "get": lambda call: {
            "projectId": call.path[0],
            "projectNumber": project_number(call.path[0]),
            "lifecycleState": "ACTIVE",
            "name": call.path[0],
        },
        "getIamPolicy": lambda call: accounts.policies.get(f"projects/{call.path[0]}"),
        "setIamPolicy": lambda call: accounts.policies.set(
            f"projects/{call.path[0]}", call.body.get("policy", {})
        ),
        "testIamPermissions": lambda call: {"permissions": call.body.get("permissions", [])},
    }
    return Service(RESOURCE_MANAGER_HOST, ("cloudresourcemanager.v1",), handlers)
