"""The role's rules with other durations, so that a test waits for seconds instead of hours. Nothing else of them differs. Pure."""

from __future__ import annotations

import copy
import re
from typing import Any

Json = dict[str, Any]

SHORTER = {
    "6h": "120s", "1h": "60s", "30m": "45s", "15m": "40s", "5m": "30s", "300s": "100s", "2m": "15s", "1m": "10s", "0s": "0s",
}  # fmt: skip
"""Every duration of the rules: a window still has three looks at the pods or more, and a replica has time to come."""
MARK = {"shortened": "true"}
"""The label of what these rules record and of their alerts."""
_WINDOW = re.compile(r"(?<=\[)(\d+[smh])(?=\])|(?<=rate)(\d+[smh])\b")


def shortened(rules: Json) -> Json:
    """The content of a file of rules beside the one it is made of. Raises ``KeyError`` for a duration without a shorter one."""
    made = copy.deepcopy(rules)
    for group in made["groups"]:
        group["name"] += "-shortened"
        for rule in group["rules"]:
            rule["expr"] = _text(rule["expr"])
            rule["labels"] = {**rule["labels"], **MARK}
            if "record" in rule:
                rule["record"] = _text(rule["record"])
            if "for" in rule:
                rule["for"] = SHORTER[rule["for"]]
    return made


def _text(text: str) -> str:
    """With the names of these records instead of the role's."""
    shorter = _WINDOW.sub(lambda found: SHORTER[found[0]], text)
    return re.sub(r"\btfserving:", "shortened:", shorter)
