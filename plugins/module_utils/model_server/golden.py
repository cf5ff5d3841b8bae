"""Golden predictions: requests whose answers are known, as options of a module and as a file.

Pure, but for reading and writing the file.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .compare import Tolerance, Tolerances, compare
from .errors import GoldenError

FORMAT = "mlops.tfserving/golden-predictions/v1"

ABSOLUTE = 0.001
"""By how much a number may differ when nothing else is said: above float32's noise, below what users notice."""

DEFAULT = Tolerances(Tolerance(ABSOLUTE))


@dataclass(frozen=True)
class Golden:
    """A request and, where `known`, its answer: `request` is TF Serving's REST body, `expect` a part of the answer."""

    name: str
    request: Mapping[str, Any]
    expect: Any = None
    known: bool = False
    tolerances: Tolerances = DEFAULT

    @property
    def by_rows(self) -> bool:
        """Whether it asks, and is answered, row by row."""
        return "instances" in self.request

    @classmethod
    def of(cls, option: Mapping[str, Any]) -> Golden:
        """From a module's option or a file's entry; raises GoldenError for what makes no sense."""
        name = str(option.get("name") or "")
        if not name:
            raise GoldenError("a golden prediction has no name")
        given = [key for key in ("instances", "inputs") if option.get(key) is not None]
        if len(given) != 1:
            raise GoldenError(f"golden {name}: give either instances (rows) or inputs (columns)")
        if given == ["instances"] and not (isinstance(option["instances"], list) and option["instances"]):
            raise GoldenError(f"golden {name}: instances must be a list of at least one row")
        body = {
            "signature_name": str(option.get("signature_name") or "serving_default"),
            given[0]: option[given[0]],
        }
        absolute, relative = option.get("tolerance"), option.get("relative_tolerance")
        default = _tolerance(name, "", ABSOLUTE if absolute is None else absolute, relative)
        by_output = {
            str(output): _tolerance(name, f" of {output}", **_bounds(name, output, bounds))
            for output, bounds in (option.get("tolerances") or {}).items()
        }
        expect = option.get("expect")
        return cls(name, body, expect, expect is not None, Tolerances(default, by_output))

    def as_entry(self, expect: Any) -> dict[str, Any]:
        """As an entry of a file, with the answer as it came."""
        entry: dict[str, Any] = {"name": self.name, **self.request, "expect": expect}
        entry["tolerance"] = self.tolerances.default.absolute
        entry["relative_tolerance"] = self.tolerances.default.relative
        if self.tolerances.by_output:
            entry["tolerances"] = {
                output: {"absolute": bounds.absolute, "relative": bounds.relative}
                for output, bounds in self.tolerances.by_output.items()
            }
        return entry


def unique(goldens: Sequence[Golden]) -> tuple[Golden, ...]:
    """The same, or GoldenError when two have one name (messages and files tell them apart by it)."""
    names = [golden.name for golden in goldens]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise GoldenError(f"two golden predictions are named {', '.join(twice)}: give each its own name")
    return tuple(goldens)


def goldens_of(document: Mapping[str, Any], model: str, where: str) -> list[Golden]:
    """A model's golden predictions in a file's content; raises GoldenError when it has none."""
    models = document["models"]
    found = [entry for entry in models if entry.get("name") == model]
    if not found:
        names = ", ".join(str(entry.get("name")) for entry in models) or "none"
        raise GoldenError(
            f"{where} has no golden predictions of model {model} (has: {names}). Record them first."
        )
    return [Golden.of(entry) for entry in found[0].get("golden") or []]


def read(path: Path) -> dict[str, Any]:
    """A file's content; raises GoldenError in words when it is missing or is something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise GoldenError(
            f"no file {path.absolute()}: record golden predictions first (state: recorded)"
        ) from error
    except (OSError, ValueError) as error:
        raise GoldenError(f"cannot read golden predictions from {path}: {error}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise GoldenError(f"{path} holds no golden predictions (its format is not {FORMAT})")
    if not isinstance(document.get("models"), list) or not all(
        isinstance(m, dict) for m in document["models"]
    ):
        raise GoldenError(f"{path} is damaged: models is not a list of objects. Record it anew.")
    return document


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Writes the file at once or not at all; raises GoldenError in words."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(json.dumps(document, indent=2) + "\n")
            Path(draft).chmod(0o644)
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise GoldenError(f"cannot write golden predictions to {path}: {error}") from error


def says_the_same(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    """Whether a recording says what the file says already: all but the date, and answers within tolerance."""
    if old is None or len(old["models"]) != len(new["models"]):
        return False
    for before, after in zip(old["models"], new["models"], strict=True):
        if _head(before) != _head(after) or len(before["golden"]) != len(after["golden"]):
            return False
        for one, other in zip(before["golden"], after["golden"], strict=True):
            if {**one, "expect": None} != {**other, "expect": None}:
                return False
            tolerances = Golden.of(one).tolerances
            if compare(one["expect"], other["expect"], tolerances) or compare(
                other["expect"], one["expect"], tolerances
            ):
                return False
    return True


def _head(model: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in model.items() if key != "golden"}


def _bounds(name: str, output: str, bounds: Any) -> dict[str, Any]:
    if not isinstance(bounds, Mapping) or not bounds or set(bounds) - {"absolute", "relative"}:
        raise GoldenError(f"golden {name}: tolerances.{output} must be an object of absolute and/or relative")
    return {"absolute": bounds.get("absolute"), "relative": bounds.get("relative")}


def _tolerance(name: str, what: str, absolute: Any, relative: Any) -> Tolerance:
    values = []
    for kind, value in (("absolute", absolute), ("relative", relative)):
        try:
            number = float(value or 0)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number < math.inf:
            raise GoldenError(
                f"golden {name}: the {kind} tolerance{what} must be a number of 0 or more, not {value!r}"
            )
        values.append(number)
    return Tolerance(*values)
