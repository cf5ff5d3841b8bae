"""What the serving role applies is all of its templates, whichever of them a variable asks for."""

from __future__ import annotations

from typing import Any

import pytest
from serving_role import TEMPLATES, evaluate, render

GATEWAY = {"serving_service_type": "Gateway", "serving_gateway_name": "front", "serving_gateway_gke": True}
ASKED = [{"name": "g", "instances": ["{{ 1 + 1 }}"]}]


@pytest.mark.parametrize(
    ("more", "variables"),
    [
        ((), {}),
        (("gateway",), GATEWAY),
        ((), {"serving_golden": ASKED}),
        ((), {"serving_proxy_enabled": False}),
    ],
)
def test_objects_are_those_of_the_templates(more: tuple[str, ...], variables: dict[str, Any]) -> None:
    """Rendered together, from files and places that are reckoned once, they are what each of them is alone."""
    alone = render(*TEMPLATES, *more, **variables)
    together = evaluate("serving_objects", **variables)
    assert {f"{item['kind']}/{item['metadata']['name']}": item for item in together} == alone
    assert len(together) == len(alone)
