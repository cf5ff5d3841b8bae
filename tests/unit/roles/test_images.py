"""Each image of each role: by a name that always means the same, or refused before anything changes."""

from __future__ import annotations

import re

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.variables.check import CHECKS, judged
from role_work import ROOT, defaults_of, options_of

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGES = [
    (role, name) for role in CHECKS for name in options_of(role) if name.endswith("_image")
]  # fmt: skip


def told(role: str, name: str, image: str) -> list[str]:
    """Rules that refuse the image."""
    known = {key: value for key, value in defaults_of(role).items() if "{{" not in str(value)}
    return [one.id for one in judged({**known, name: image}, [role]).findings if one.variable == name]


def test_what_pods_run_is_named_by_such_variables_alone() -> None:
    used = {
        name
        for path in ROOT.glob("roles/*/templates/*")
        for name in re.findall(r"^ *-? *image: +(.*)$", path.read_text(), re.MULTILINE)
    }
    assert used == {f"{{{{ {name} | to_json }}}}" for _role, name in IMAGES}


@pytest.mark.parametrize(("role", "name"), IMAGES)
@pytest.mark.parametrize(
    "image",
    [
        f"name@{DIGEST}", f"name:1@{DIGEST}", f"name:latest@{DIGEST}", f"registry.example.com:5000/a/b_c/d-e@{DIGEST}",
        f"localhost:5000/a@{DIGEST}", "registry.example.com/a/b:v1.2.3-slim", "haproxy:3.0.11-alpine", "10.0.0.1:5000/a:1.2",
    ],
)  # fmt: skip
def test_a_digest_or_a_version_is_taken(role: str, name: str, image: str) -> None:
    assert told(role, name, image) == []


@pytest.mark.parametrize(("role", "name"), IMAGES)
@pytest.mark.parametrize(
    ("image", "rule"),
    [
        ("registry.example.com/a", "image-version"),
        ("registry.example.com:5000/a", "image-version"),
        ("registry.example.com/a:latest", "image-version"),
        ("registry.example.com/a:latest-py3", "image-version"),
        ("registry.example.com/a:lts-alpine", "image-version"),
        ("python:3.13-slim", "image-version"),
        ("docker.io/library/python:3", "image-version"),
        ("registry.example.com/a b:1", "variables"),
        ("https://registry.example.com/a:1", "variables"),
        ("registry.example.com/a@sha256:0123", "variables"),
        (f"registry.example.com/a@{DIGEST.upper()}", "variables"),
    ],
)
def test_what_may_be_another_tomorrow_is_refused(role: str, name: str, image: str, rule: str) -> None:
    assert told(role, name, image) == [rule]
