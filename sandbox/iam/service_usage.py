"""Service Usage: which of Google's APIs a project may call. A GKE project's usual ones are on from the start."""

from __future__ import annotations

import re
import uuid

from ..google.discovery import Json
from ..google.errors import GoogleError
from ..google.projects import project_number
from ..google.service import Call, Handler, Service

HOST = "serviceusage.googleapis.com"
_INITIAL = frozenset(
    f"{name}.googleapis.com"
    for name in (
        "cloudresourcemanager", "compute", "container", "iam", "iamcredentials", "logging", "monitoring",
        "serviceusage", "storage",
    )
)  # fmt: skip
_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.googleapis\.com")
_RESPONSES = "type.googleapis.com/google.api.serviceusage.v1."


class Services:
    """What is enabled, by project."""

    def __init__(self) -> None:
        self._enabled: dict[str, set[str]] = {}
        self._operations: dict[str, Json] = {}

    def enabled(self, project: str) -> set[str]:
        return self._enabled.setdefault(project, set(_INITIAL))

    def check(self, project: str, service: str) -> None:
        """Refuses a request to an API that the project has switched off."""
        if service in self.enabled(project):
            return
        number = project_number(project)
        detail = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
            "metadata": {"service": service, "consumer": f"projects/{number}"},
        }
        raise GoogleError(
            403,
            f"{service} has not been used in project {number} before or it is disabled. Enable it by visiting "
            f"https://console.developers.google.com/apis/api/{service}/overview?project={number} then retry. If you "
            "enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
            reason="accessNotConfigured",
            details=[detail],
        )

    def get(self, project: str, service: str) -> Json:
        self._check_name(service)
        number = project_number(project)
        shown: Json = {"name": f"projects/{number}/services/{service}", "state": "DISABLED"}
        if service in self.enabled(project):
            shown |= {"parent": f"projects/{number}", "state": "ENABLED"}
        return shown

    def _check_name(self, service: str) -> None:
        if not _NAME.fullmatch(service):
            raise GoogleError(403, f"Not found or permission denied for service(s): {service}.")

    def switch(self, project: str, services: list[str], *, on: bool) -> Json:
        """The operation that begins with it; it is over when it is asked for."""
        for service in services:
            self._check_name(service)
        enabled = self.enabled(project)
        if on:
            enabled.update(services)
        else:
            enabled.difference_update(services)
        name = f"operations/acat.p2-{project_number(project)}-{uuid.uuid4()}"
        kind = "EnableServiceResponse" if on else "DisableServiceResponse"
        self._operations[name] = {
            "done": True,
            "name": name,
            "response": {
                "@type": _RESPONSES + kind,
                "service": {"parent": f"projects/{project_number(project)}"} | self.get(project, services[0]),
            },
        }
        return {"name": name}

    def operation(self, name: str) -> Json:
        found = self._operations.get(f"operations/{name}")
        if found is None:
            raise GoogleError(404, f"Operation not found: operations/{name}")
        return found


def service_usage(services: Services) -> Service:
    def known(call: Call) -> Json:
        wanted = call.query.get("filter", "")
        if wanted not in ("", "state:ENABLED"):
            raise GoogleError(501, f"not emulated here: services by the filter {wanted}")
        project = call.path[1]
        return {"services": [services.get(project, name) for name in sorted(services.enabled(project))]}

    def batch(call: Call) -> Json:
        names = call.body.get("serviceIds", [])
        if not names:
            raise GoogleError(400, "At least one service ID is required.")
        return services.switch(call.path[1], names, on=True)

    handlers: dict[str, Handler] = {
        "services.get": lambda call: services.get(call.path[1], call.path[2]),
        "services.list": known,
        "services.enable": lambda call: services.switch(call.path[1], [call.path[2]], on=True),
        "services.disable": lambda call: services.switch(call.path[1], [call.path[2]], on=False),
        "services.batchEnable": batch,
        "operations.get": lambda call: services.operation(call.path[0]),
    }
    return Service(HOST, ("serviceusage.v1",), handlers)
