"""AWX's REST API in memory, as far as the collection awx.awx asks it to configure a project.

What it takes, refuses and answers follows AWX 24.6.1 (https://github.com/ansible/awx, awx/api/serializers.py and
awx/api/views/__init__.py): unknown filters and missing fields are refused, related objects have to exist, a name is
unique in its organization, secrets are never given back, a survey is held against its rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.served import served

Json = dict[str, Any]
TOKEN = "awx-token"
HEADERS = {"X-API-Product-Name": "AWX", "X-API-Product-Version": "24.6.1"}
ENCRYPTED = "$encrypted$"
GOOGLE = "Google Compute Engine"
_SECRETS = ("ssh_key_data", "kubeconfig")


@dataclass(frozen=True)
class Kind:
    """A type of objects. ``related``: fields that hold another's id; ``many``: its lists of others."""

    type: str
    required: tuple[str, ...] = ("name",)
    fields: Json = field(default_factory=dict)
    related: Json = field(default_factory=dict)
    many: Json = field(default_factory=dict)
    unique: tuple[str, ...] = ("name", "organization")


_NOTIFIED = {
    f"notification_templates_{moment}": "notification_templates" for moment in ("started", "success", "error")
}
_ASK = {
    f"ask_{what}_on_launch": False
    for what in (
        "credential", "diff_mode", "execution_environment", "forks", "instance_groups", "inventory", "job_slice_count",
        "job_type", "labels", "limit", "scm_branch", "skip_tags", "tags", "timeout", "variables", "verbosity",
    )
}  # fmt: skip

KINDS = {
    "organizations": Kind("organization", fields={"description": ""}, unique=("name",)),
    "credential_types": Kind(
        "credential_type", ("name", "kind"), {"description": "", "managed": False, "inputs": {}, "injectors": {}}, unique=("name",)
    ),
    "credentials": Kind(
        "credential", ("name", "credential_type"), {"description": "", "inputs": {}},
        {"organization": "organizations", "credential_type": "credential_types"}, {}, ("name", "organization", "credential_type"),
    ),
    "execution_environments": Kind(
        "execution_environment", ("name", "image"), {"description": "", "pull": ""},
        {"organization": "organizations", "credential": "credentials"}, {}, ("name",),
    ),
    "notification_templates": Kind(
        "notification_template", ("name", "organization", "notification_type"),
        {"description": "", "notification_configuration": {}, "messages": None}, {"organization": "organizations"},
    ),
    "projects": Kind(
        "project", ("name",),
        {
            "description": "", "scm_type": "", "scm_url": "", "scm_branch": "", "scm_refspec": "", "scm_clean": False,
            "scm_delete_on_update": False, "scm_track_submodules": False, "scm_update_on_launch": False,
            "scm_update_cache_timeout": 0, "timeout": 0, "allow_override": False, "scm_revision": "",
        },
        {"organization": "organizations", "credential": "credentials", "default_environment": "execution_environments"},
        _NOTIFIED,
    ),
    "inventories": Kind(
        "inventory", ("name", "organization"),
        {"description": "", "kind": "", "host_filter": None, "variables": "", "prevent_instance_group_fallback": False},
        {"organization": "organizations"},
    ),
    "inventory_sources": Kind(
        "inventory_source", ("name", "inventory"),
        {
            "description": "", "source": "", "source_path": "", "source_vars": "", "scm_branch": "", "overwrite": False,
            "overwrite_vars": False, "update_on_launch": False, "update_cache_timeout": 0, "verbosity": 1, "timeout": 0,
            "enabled_var": "", "enabled_value": "", "host_filter": "", "limit": "",
        },
        {
            "inventory": "inventories", "credential": "credentials", "source_project": "projects",
            "execution_environment": "execution_environments",
        },
        _NOTIFIED, ("name", "inventory"),
    ),
    "job_templates": Kind(
        "job_template", ("name", "project", "playbook"),
        {
            "description": "", "job_type": "run", "playbook": "", "scm_branch": "", "forks": 0, "limit": "", "verbosity": 0,
            "extra_vars": "", "job_tags": "", "force_handlers": False, "skip_tags": "", "start_at_task": "", "timeout": 0,
            "use_fact_cache": False, "host_config_key": "", "survey_enabled": False, "become_enabled": False,
            "diff_mode": False, "allow_simultaneous": False, "job_slice_count": 1, "webhook_service": "",
            "prevent_instance_group_fallback": False, **_ASK,
        },
        {"inventory": "inventories", "project": "projects", "execution_environment": "execution_environments"},
        {"credentials": "credentials", **_NOTIFIED},
    ),
    "workflow_job_templates": Kind(
        "workflow_job_template", ("name",),
        {
            "description": "", "extra_vars": "", "survey_enabled": False, "allow_simultaneous": False, "limit": "",
            "scm_branch": "", "job_tags": "", "skip_tags": "", **_ASK,
        },
        {"organization": "organizations", "inventory": "inventories"}, _NOTIFIED,
    ),
    "workflow_job_template_nodes": Kind(
        "workflow_job_template_node", ("workflow_job_template",),
        {"identifier": "", "extra_data": {}, "all_parents_must_converge": False, "limit": None, "job_type": None},
        {"workflow_job_template": "workflow_job_templates", "unified_job_template": "unified_job_templates"},
        {f"{edge}_nodes": "workflow_job_template_nodes" for edge in ("success", "failure", "always")},
        ("identifier", "workflow_job_template"),
    ),
    "schedules": Kind(
        "schedule", ("name", "rrule", "unified_job_template"), {"description": "", "enabled": True, "extra_data": {}},
        {"unified_job_template": "unified_job_templates"}, {}, ("name", "unified_job_template"),
    ),
}  # fmt: skip
_UNIFIED = ("projects", "inventory_sources", "job_templates", "workflow_job_templates")


class Refused(Exception):
    def __init__(self, status: int, body: Json) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


class Controller:
    """``playbooks``: what AWX finds in the project's checkout. ``requests``: every one, as method and path."""

    def __init__(self, playbooks: Sequence[str], credentials: Sequence[str] = ()) -> None:
        self.playbooks = playbooks
        self.objects: dict[str, dict[int, Json]] = {kind: {} for kind in KINDS}
        self.surveys: dict[int, Json] = {}
        self.lists: dict[tuple[int, str], list[int]] = {}
        self.secrets: dict[int, Json] = {}
        self.requests: list[tuple[str, str]] = []
        self._next = 1
        self._make("organizations", {"name": "Default"})
        google = self._make("credential_types", {"name": GOOGLE, "kind": "cloud"})["id"]
        for name in credentials:
            self._make("credentials", {"name": name, "credential_type": google, "organization": 1})

    def find(self, kind: str, name: str) -> Json:
        """One object by its name or identifier."""
        return next(
            found
            for found in self.objects[kind].values()
            if name in (found.get("name"), found.get("identifier"))
        )

    def names(self, kind: str, ids: Sequence[int]) -> list[str]:
        return [self.objects[kind][one].get("name") or self.objects[kind][one]["identifier"] for one in ids]

    def writes(self) -> list[tuple[str, str]]:
        return [asked for asked in self.requests if asked[0] != "GET"]

    @contextmanager
    def served(self) -> Iterator[str]:
        """On a loopback port; its URL."""
        app = Starlette(
            routes=[Route("/{path:path}", self._answer, methods=["GET", "POST", "PATCH", "PUT", "DELETE"])]
        )
        with served(app) as url:
            yield url

    async def _answer(self, request: Request) -> Response:
        self.requests.append((request.method, request.url.path))
        try:
            if request.headers.get("authorization") != f"Bearer {TOKEN}":
                raise Refused(401, {"detail": "Authentication credentials were not provided."})
            text = await request.body()
            status, body = self._do(
                request.method, request.url.path, dict(request.query_params), json.loads(text or b"{}")
            )
        except Refused as refused:
            status, body = refused.status, refused.body
        if status == 204:
            return Response(status_code=204, headers=HEADERS)
        return JSONResponse(body, status, headers=HEADERS)

    def _do(self, method: str, path: str, query: dict[str, str], body: Json) -> tuple[int, Any]:
        match = re.fullmatch(r"/api/v2/(\w+)/(?:(\d+)/)?(?:(\w+)/)?", path)
        if match is None:
            raise Refused(404, {"detail": "Not found."})
        kind, number, sub = match[1], int(match[2] or 0), match[3]
        if kind == "project_updates":
            return 200, {"id": number, "status": "successful", "failed": False, "finished": True}
        if kind == "unified_job_templates" and method == "GET":
            return 200, self._page([o for k in _UNIFIED for o in self.objects[k].values()], query, None)
        if kind not in KINDS:
            raise Refused(404, {"detail": "Not found."})
        if not number:
            if method == "POST":
                return 201, self._make(kind, body)
            return 200, self._page(list(self.objects[kind].values()), query, kind)
        if number not in self.objects[kind]:
            raise Refused(404, {"detail": "Not found."})
        if sub == "survey_spec" and "survey_enabled" in KINDS[kind].fields:
            return 200, self._survey(method, number, body)
        if sub in KINDS[kind].many:
            return self._list(method, kind, number, str(sub), body)
        if sub or method not in ("GET", "PATCH"):
            raise Refused(405, {"detail": f'Method "{method}" not allowed.'})
        if method == "PATCH":
            self._change(kind, self.objects[kind][number], body)
        return 200, self.objects[kind][number]

    def _page(self, found: list[Json], query: dict[str, str], kind: str | None) -> Json:
        for name, value in query.items():
            if name in ("page_size", "order_by"):
                continue
            plain = name.removesuffix("__in")
            known = {"id", "name", "type", "organization"} if kind is None else {
                "id", *KINDS[kind].required, *KINDS[kind].fields, *KINDS[kind].related,
            }  # fmt: skip
            if kind == "job_templates":
                known.add("organization")
            if plain not in known and name not in ("or__id", "or__name"):
                raise Refused(400, {"detail": f"{kind} has no field named '{name}'"})
            values = value.split(",") if name.endswith("__in") else [value]
            if not name.startswith("or__"):
                found = [item for item in found if str(item.get(plain)) in values]
        either = {
            name.removeprefix("or__"): value for name, value in query.items() if name.startswith("or__")
        }
        if either:
            found = [
                item for item in found if any(str(item.get(name)) == value for name, value in either.items())
            ]
        return {"count": len(found), "next": None, "previous": None, "results": found}

    def _make(self, kind: str, body: Json) -> Json:
        missing = {name: ["This field is required."] for name in KINDS[kind].required if name not in body}
        if missing:
            raise Refused(400, missing)
        number, self._next = self._next, self._next + 1
        url = f"/api/v2/{kind}/{number}/"
        made = {
            "id": number, "type": KINDS[kind].type, "url": url, "related": {}, "summary_fields": {},
            **dict.fromkeys(KINDS[kind].related), **KINDS[kind].fields,
        }  # fmt: skip
        if "survey_enabled" in KINDS[kind].fields:
            made["related"]["survey_spec"] = f"{url}survey_spec/"
        if kind == "projects":
            made["summary_fields"]["current_update"] = {"id": 1000 + number}
        self._change(kind, made, body)
        self.objects[kind][number] = made
        return made

    def _change(self, kind: str, target: Json, body: Json) -> None:
        """Takes what the kind has, ignores the rest, as Django REST framework does."""
        about = KINDS[kind]
        wanted = {
            k: v for k, v in body.items() if k in ("name", *about.required, *about.fields, *about.related)
        }
        after = {**target, **wanted}
        for name, others in about.related.items():
            if wanted.get(name) is not None and not self._exists(others, wanted[name]):
                raise Refused(400, {name: [f'Invalid pk "{wanted[name]}" - object does not exist.']})
        for other in self.objects[kind].values():
            if other["id"] != target["id"] and all(other.get(n) == after.get(n) for n in about.unique):
                raise Refused(
                    400, {"__all__": [f"{about.type} with this {' and '.join(about.unique)} already exists."]}
                )
        if kind == "job_templates":
            if after["playbook"] not in self.playbooks:
                raise Refused(400, {"playbook": ["Playbook not found for project."]})
            # Read only: it is the project's.
            after["organization"] = self.objects["projects"][after["project"]]["organization"]
        if kind == "inventory_sources" and after["source"] == "scm" and not after["source_project"]:
            raise Refused(400, {"source_project": ["Project required for scm type sources."]})
        if kind == "credentials" and wanted.get("inputs"):
            self._keep_secrets(after)
        target.update(after)

    def _keep_secrets(self, credential: Json) -> None:
        """A secret that is sent as it is shown stays what it was."""
        kept = self.secrets.setdefault(credential["id"], {})
        inputs = dict(credential["inputs"])
        kept |= {name: inputs[name] for name in _SECRETS if inputs.get(name) not in (None, ENCRYPTED)}
        credential["inputs"] = inputs | dict.fromkeys(kept, ENCRYPTED)

    def _exists(self, kind: str, number: int) -> bool:
        kinds = _UNIFIED if kind == "unified_job_templates" else (kind,)
        return any(number in self.objects[one] for one in kinds)

    def _list(self, method: str, kind: str, number: int, sub: str, body: Json) -> tuple[int, Any]:
        ids = self.lists.setdefault((number, sub), [])
        others = self.objects[KINDS[kind].many[sub]]
        if method == "GET":
            return 200, {
                "count": len(ids),
                "next": None,
                "previous": None,
                "results": [others[one] for one in ids],
            }
        if body["id"] not in others:
            raise Refused(404, {"detail": "Not found."})
        if body.get("disassociate"):
            ids.remove(body["id"])
        elif kind == "workflow_job_template_nodes" and self._leads_to(body["id"], number):
            raise Refused(400, {"Error": "Cycle detected."})
        elif body["id"] not in ids:
            ids.append(body["id"])
        return 204, None

    def _leads_to(self, start: int, end: int) -> bool:
        following = [one for (node, _), ids in self.lists.items() if node == start for one in ids]
        return start == end or any(self._leads_to(one, end) for one in following)

    def _survey(self, method: str, number: int, body: Json) -> Json:
        if method == "DELETE":
            self.surveys.pop(number, None)
        elif method == "POST":
            check_survey(body)
            self.surveys[number] = body
        return self.surveys.get(number, {}) if method == "GET" else {}


_DEFAULTS = {
    "text": str, "textarea": str, "password": str, "multiplechoice": str, "multiselect": str, "integer": int,
    "float": float,
}  # fmt: skip


def check_survey(spec: Json) -> None:
    """As AWX's JobTemplateSurveySpec does."""

    def refuse(text: str) -> None:
        raise Refused(400, {"error": text})

    for name, kind in (("name", str), ("description", str), ("spec", list)):
        if not isinstance(spec.get(name), kind):
            refuse(f"Field '{name}' is missing from survey spec.")
    if not spec["spec"]:
        refuse("'spec' doesn't contain any items.")
    seen = set()
    for index, question in enumerate(spec["spec"]):
        for name, kind in (("type", str), ("question_name", str), ("variable", str), ("required", bool)):
            if not isinstance(question.get(name), kind):
                refuse(f"'{name}' missing from survey question {index}.")
        if question["variable"] in seen:
            refuse(f"'variable' '{question['variable']}' duplicated in survey question {index}.")
        seen.add(question["variable"])
        kind = question["type"]
        if kind not in _DEFAULTS:
            refuse(f"'{kind}' in survey question {index} is not one of the allowed question types.")
        if question.get("default", "") != "" and not isinstance(question["default"], _DEFAULTS[kind]):
            refuse(f"Default value in survey question {index} expected to be {_DEFAULTS[kind].__name__}.")
        for bound in ("min", "max"):
            if question.get(bound) is not None and not isinstance(question[bound], int):
                refuse(f"The {bound} limit in survey question {index} expected to be integer.")
        if kind == "multiplechoice":
            choices = question.get("choices", "").splitlines()
            if not choices:
                refuse(f"Survey question {index} of type {kind} must specify choices.")
            if question.get("default") and question["default"] not in choices:
                refuse("Default choice must be answered from the choices listed.")


def check_answers(spec: Json, answers: Json) -> list[str]:
    """What AWX says to answers, when a job is launched."""
    errors = []
    for question in spec.get("spec", []):
        name, kind = question["variable"], question["type"]
        if name not in answers:
            if question["required"]:
                errors.append(f"'{name}' value missing")
            continue
        value = answers[name]
        types = {"integer": (int,), "float": (int, float)}.get(kind, (str,))
        if type(value) not in types:
            errors.append(f"Value {value} for '{name}' expected to be {kind}.")
        elif kind == "multiplechoice" and value not in question["choices"].splitlines():
            errors.append(
                f"Value {value} for '{name}' expected to be one of {question['choices'].splitlines()}."
            )
        elif kind in ("integer", "float"):
            if question["min"] is not None and value < question["min"]:
                errors.append(f"'{name}' value {value} is too small (must be at least {question['min']}).")
            if question["max"] is not None and value > question["max"]:
                errors.append(
                    f"'{name}' value {value} is too large (must be no more than {question['max']})."
                )
    return errors
