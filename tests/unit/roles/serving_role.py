"""The serving role's objects, rendered by Ansible's own templating with the role's defaults."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles/serving"
URI = "gs://models/models/m/3"
TEMPLATES = ("namespace", "config", "access", "deployment")

with warnings.catch_warnings():
    # The collection's finder is in place already.
    warnings.simplefilter("ignore", UserWarning)
    init_plugin_loader([str(ROOT / ".collections")])

Json = dict[str, Any]


def evaluate(expression: str, **variables: Any) -> Any:
    """An expression in the role, with these variables in place of its defaults."""
    loader = DataLoader()
    known: Json = {}
    for folder in ("defaults", "vars"):
        known |= loader.load_from_file(str(ROLE / folder / "main.yml"), trusted_as_template=True)
    known |= {
        "role_path": str(ROLE),
        "ansible_search_path": [str(ROLE)],
        "serving_model_uri": URI,
    } | variables
    return Templar(loader=loader, variables=known).template(trust_as_template("{{ " + expression + " }}"))


def given(**variables: Any) -> Json:
    """The role's variables by name, and what else its rules know."""
    names = [*yaml.safe_load((ROLE / "defaults/main.yml").read_text()), "serving_model_bytes"]
    return dict(evaluate(f"dict({names} | zip([{', '.join(names)}]))", **variables))


def render(*templates: str, **variables: Any) -> dict[str, Json]:
    """The objects of these templates (without any: of all that the role applies), by kind and name."""
    found: list[Json] = []
    for name in templates or TEMPLATES:
        text = evaluate(f"lookup('ansible.builtin.template', '{ROLE}/templates/{name}.yml.j2')", **variables)
        found += [item for item in yaml.safe_load_all(text) if item]
    named = {f"{item['kind']}/{item['metadata']['name']}": item for item in found}
    assert len(named) == len(found), "two objects of one name"
    return named


def pod_of(**variables: Any) -> Json:
    """The pod template of the Deployment."""
    (deployment,) = render("deployment", **variables).values()
    return dict(deployment["spec"]["template"])


def container(pod: Json, name: str) -> Json:
    (found,) = [item for item in pod["spec"]["containers"] if item["name"] == name]
    return dict(found)


def files_of(**variables: Any) -> dict[str, str]:
    """What the ConfigMap holds."""
    (found,) = [item for key, item in render("config", **variables).items() if key.startswith("ConfigMap/")]
    return dict(found["data"])
