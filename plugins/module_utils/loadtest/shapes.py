"""From a shape as people describe it to the curve that Locust follows. Pure, but for reading a recording's file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..durations import duration
from ..paths import absolute_path
from . import recording
from .curve import Curve, Piece, most_users
from .schema import PlannedLoad

Given = Mapping[str, Any]

SINE_PIECES = 48
"""Straight pieces a period of a sine: at most 0.3 % of its height off the true curve."""

LONGEST = 24 * 3600.0
"""Seconds. A longer test is a mistake in a unit more often than meant."""

MOMENTS_MAX = 20_000
"""Recorded moments that fit a ConfigMap beside the rest."""


class ShapeError(ValueError):
    """A shape that can't be run; says why and what would do."""


@dataclass(frozen=True)
class Plan:
    """What will be run. ``moments``: due times of recorded requests, in seconds; otherwise the curve gives them."""

    kind: str
    model: str
    curve: Curve
    spawn_rate: float
    arrivals: str
    moments: tuple[float, ...] = ()
    ramp_down: float = 0.0
    """seconds at the end of the curve in which the load goes"""

    @property
    def users(self) -> int:
        """Most users at a time; 0 in the open model."""
        if self.model != "closed":
            return 0
        return most_users(self.curve, whole=self.whole)

    @property
    def whole(self) -> bool:
        """Whether a user comes when the level has reached it, as in k6, and not already when it has been begun."""
        return self.kind == "stages"

    @property
    def requests(self) -> float | None:
        """How many requests are due in all; None in the closed model, where it depends on the answers."""
        if self.model == "closed":
            return None
        return len(self.moments) or round(self.curve.area(self.curve.length), 1)

    def as_json(self) -> PlannedLoad:
        return {
            "kind": self.kind,
            "model": "open" if self.model == "open" else "closed",
            "pieces": [[round(value, 6) for value in piece] for piece in self.curve.pieces],
            "spawn_rate": self.spawn_rate,
            "arrivals": self.arrivals,
            "moments": [round(moment, 3) for moment in self.moments],
            "users": self.users,
            "requests": self.requests,
            "seconds": round(self.curve.length, 3),
            "ramp_down": self.ramp_down,
        }

    @classmethod
    def from_json(cls, made: Given) -> Plan:
        return cls(
            str(made["kind"]), str(made["model"]), Curve(made["pieces"]), float(made["spawn_rate"]),
            str(made["arrivals"]), tuple(made["moments"]), float(made["ramp_down"]),
        )  # fmt: skip

    def words(self) -> str:
        """The plan for people."""
        length = f"{self.curve.length:.0f} s"
        if self.model == "closed":
            return f"{self.kind}: up to {self.users} users in {length}"
        return f"{self.kind}: up to {self.curve.peak:g} requests/s, {self.requests:.0f} in all, in {length}"


def plan(shape: Given) -> Plan:
    """The plan of a shape; ShapeError in words when there is something wrong with it."""
    kind = str(shape.get("kind") or "steps")
    if kind not in _KINDS:
        raise ShapeError(f"shape kind {kind!r} is unknown; there are {', '.join(_KINDS)}")
    known, make = _KINDS[kind]
    model = str(shape.get("model") or "closed")
    if model not in ("closed", "open"):
        raise ShapeError(f"shape model {model!r} is unknown; there are closed (users) and open (requests/s)")
    arrivals = str(shape.get("arrivals") or "even")
    if arrivals not in ("even", "poisson"):
        raise ShapeError(f"shape arrivals {arrivals!r} is unknown; there are even and poisson")
    unknown = sorted(
        key
        for key, value in shape.items()
        if key not in {*known, *_COMMON, "kind", "model", "arrivals"} and value is not None
    )
    if unknown:
        raise ShapeError(
            f"a shape of kind {kind} has no {', '.join(unknown)}; it has {', '.join([*known, *_COMMON])}"
        )
    missing = [key for key, default in known.items() if default is None and shape.get(key) is None]
    if missing:
        raise ShapeError(f"a shape of kind {kind} needs {', '.join(missing)}")
    values = {
        key: shape.get(key) if shape.get(key) is not None else default for key, default in known.items()
    }
    pieces, moments = make(values, model)
    down = _number(shape, "ramp_down", 0.0) if pieces and pieces[-1][2] > 0 else 0.0
    if down:
        pieces.append((down, pieces[-1][2], 0.0))
    curve = Curve(pieces)
    if curve.length <= 0 or curve.peak <= 0:
        raise ShapeError(f"this shape of kind {kind} has no load at all")
    _refuse_endless(curve.length)
    rate = _number(shape, "spawn_rate", 0.0) or max(1.0, math.ceil(curve.peak))
    return Plan(kind, model, curve, rate, "recorded" if moments else arrivals, tuple(moments), down)


def read_shape(given: Given) -> dict[str, Any]:
    """The shape with a recording's text in place of its file's name. Raises ShapeError."""
    shape = {key: value for key, value in given.items() if value is not None and key != "file"}
    if given.get("file"):
        try:
            shape["csv"] = recording.decoded(Path(absolute_path(str(given["file"]))).read_bytes())
        except OSError as error:
            raise ShapeError(f"the shape's file can't be read: {given['file']}: {error.strerror}") from error
        except recording.RecordingError as error:
            raise ShapeError(f"replay: {error}") from None
    return shape


Made = tuple[list[Piece], list[float]]


def _refuse_endless(seconds: float, pieces: float = 0) -> None:
    """Before a shape is expanded: one that lasts too long, or has more pieces than seconds fit into it."""
    if seconds > LONGEST:
        raise ShapeError(
            f"this shape lasts {seconds:.0f} s, more than a day: are its times in seconds? "
            "`speed` makes a recording shorter"
        )
    if pieces > LONGEST:
        raise ShapeError(
            f"this shape has {pieces:.0f} pieces, more than a day has seconds: give fewer and longer ones"
        )


def _number(values: Given, key: str, default: float | None = None, *, minimum: float = 0.0) -> float:
    value = values.get(key)
    if value is None and default is not None:
        value = default
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ShapeError(f"shape: {key} must be a number, not {value!r}") from None
    if not math.isfinite(number) or number < minimum:
        raise ShapeError(f"shape: {key} must be at least {minimum:g}, not {value}")
    return number


def _steps(v: Given, _unused: str) -> Made:
    steps, seconds, load = (
        int(_number(v, "max_steps", minimum=1)),
        _number(v, "step_time"),
        _number(v, "step_load"),
    )
    _refuse_endless(steps * seconds, steps)
    return [(seconds, load * n, load * n) for n in range(1, steps + 1)], []


def _constant(v: Given, _unused: str) -> Made:
    level = _number(v, "level")
    return [(_number(v, "duration"), level, level)], []


def _ramp(v: Given, _unused: str) -> Made:
    first, last = _number(v, "first"), _number(v, "last")
    return [(_number(v, "duration"), first, last), (_number(v, "hold"), last, last)], []


def _spike(v: Given, _unused: str) -> Made:
    base, peak = _number(v, "base"), _number(v, "peak")
    if peak <= base:
        raise ShapeError(f"shape: the peak of a spike ({peak:g}) must be above its base ({base:g})")
    return [
        (_number(v, "before"), base, base),
        (_number(v, "duration"), peak, peak),
        (_number(v, "after"), base, base),
    ], []


def _sine(v: Given, _unused: str) -> Made:
    low, high, period = _number(v, "low"), _number(v, "high"), _number(v, "period", minimum=1.0)
    if high <= low:
        raise ShapeError(f"shape: high ({high:g}) must be above low ({low:g})")
    count = _number(v, "periods")
    _refuse_endless(count * period, count * SINE_PIECES)
    total = max(1, round(count * SINE_PIECES))

    def level(index: int) -> float:
        return low + (high - low) * (1 - math.cos(2 * math.pi * index / SINE_PIECES)) / 2

    return [(count * period / total, level(i), level(i + 1)) for i in range(total)], []


def _replay(v: Given, model: str) -> Made:
    try:
        rows = recording.rows(str(v["csv"]))
    except recording.RecordingError as error:
        raise ShapeError(f"replay: {error}") from None
    speed, scale = _number(v, "speed", minimum=1e-6), _number(v, "scale", minimum=1e-6)
    times = [(row.time - rows[0].time) / speed for row in rows]
    _refuse_endless(times[-1], len(times))
    if rows[0].rate is not None:
        # The last row only says when the one before it ends.
        return [
            (later - earlier, (row.rate or 0.0) * scale, (row.rate or 0.0) * scale)
            for earlier, later, row in zip(times, times[1:], rows, strict=False)
        ], []
    if model != "open":
        raise ShapeError("replay: a CSV of moments alone is a list of requests; it needs `model: open`")
    if scale != 1.0:
        raise ShapeError("replay: recorded moments can't be scaled, only sped up (`speed`)")
    if len(times) > MOMENTS_MAX:
        raise ShapeError(
            f"replay: {len(times)} moments are more than {MOMENTS_MAX}: give rates (time,rate) instead"
        )
    # Shown as counts of whole seconds; each request keeps its own moment.
    length = math.floor(times[-1]) + 1
    counts = [0] * length
    for moment in times:
        counts[math.floor(moment)] += 1
    return [(1.0, float(count), float(count)) for count in counts], times


def _stages(v: Given, model: str) -> Made:
    """k6's: from one target to the next in a straight line, at once where a stage lasts no time.

    https://grafana.com/docs/k6/latest/using-k6/scenarios/executors/ramping-vus/
    """
    stages = v["stages"]
    if not isinstance(stages, list) or not stages:
        raise ShapeError(
            "shape: stages must be a list, as [{duration: 30s, target: 10}, {duration: 1m, target: 0}]"
        )
    # As k6 begins: with one user, or with no request a second.
    level = (1.0 if model == "closed" else 0.0) if v["start"] == _OWN else _number(v, "start")
    pieces: list[Piece] = []
    for number, stage in enumerate(stages, 1):
        if not isinstance(stage, Mapping) or set(stage) != {"duration", "target"}:
            raise ShapeError(
                f"shape: stage {number} must have a duration and a target and nothing else, not {stage!r}"
            )
        try:
            target = _number(stage, "target")
            seconds = duration(stage["duration"])
        except ValueError as error:
            raise ShapeError(f"stage {number}: {error}") from None
        if model == "closed" and not target.is_integer():
            raise ShapeError(f"shape: stage {number} has {target:g} users: give a whole number")
        pieces.append((seconds, level, target))
        level = target
    return [piece for piece in pieces if piece[0] > 0], []


_OWN: Any = ""
"""A default that depends on the rest of the shape."""

_COMMON = ("spawn_rate", "ramp_down")
# Options with their defaults; None: must be given.
_KINDS: dict[str, tuple[dict[str, Any], Callable[[Given, str], Made]]] = {
    "steps": ({"max_steps": None, "step_time": None, "step_load": None}, _steps),
    "constant": ({"level": None, "duration": None}, _constant),
    "ramp": ({"first": 0, "last": None, "duration": None, "hold": 0}, _ramp),
    "spike": ({"base": None, "peak": None, "before": None, "duration": None, "after": None}, _spike),
    "sine": ({"low": 0, "high": None, "period": None, "periods": 1}, _sine),
    "stages": ({"stages": None, "start": _OWN}, _stages),
    "replay": ({"csv": None, "speed": 1, "scale": 1}, _replay),
}
