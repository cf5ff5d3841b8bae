"""A recorded load, as tools export it: times with rates, or the moments of requests. Pure.

What can be read in one way only is read; everything else is refused with its line, and no line is left out but blank ones
and comments.
"""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime


class RecordingError(ValueError):
    """A file that can't be replayed: the line, and why."""


@dataclass(frozen=True)
class Row:
    """``line``: where it stands, from 1. ``time`` in seconds; ``rate`` a second, None where only moments are recorded."""

    line: int
    time: float
    rate: float | None


Cell = tuple[int, str]
"""Line and text."""

_MULTIPLES = {"": 1.0, "k": 1e3, "m": 1e6}
_RATE = re.compile(r"(?:(?:req|reqs|requests?|ops?|calls|queries|users?|vus?)?\s*(?:/|per)\s*(?P<per>s|sec|second|m|min|minute|h|hour)|(?P<word>rps|qps|rpm|hz|req|reqs|requests?|users?|vus?))")  # fmt: skip
_PER = {"s": 1.0, "m": 60.0, "h": 3600.0}
_TIMES = {
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "min": 60.0,
    "m": 60.0,
    "h": 3600.0,
}
_NUMBER = re.compile(
    r"(?P<number>[+-]?[0-9][0-9.,'\u2019 \u00a0\u202f]*(?:[eE][+-]?[0-9]+)?)(?P<unit>.*)", re.DOTALL
)
_SPACES = str.maketrans("", "", "'\u2019 \u00a0\u202f")
_IS_RATE = re.compile(
    r"rate|rps|qps|rpm|/\s*(?:s|sec|min|m|h)\b|per[ _](?:sec|min|hour)|users|vus|value|load|throughput"
)
_IS_TIME = re.compile(r"time|date|moment|seconds|elapsed|^(?:t|ts|s|sec)$")
_IS_COUNT = re.compile(r"^(?:count|hits|requests|reqs|total|number)$")
_EPOCHS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From which number on a time can only be nanoseconds, microseconds, milliseconds since 1970: as seconds it would be
in the year 5138."""


def decoded(content: bytes) -> str:
    """A file's text, with or without a byte order mark, as UTF-8 or (spreadsheets' "Unicode") UTF-16."""
    marked = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        return content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RecordingError(f"line {line} of the CSV is not UTF-8: save it as such") from None


def rows(text: str) -> list[Row]:
    """Every line that says something. Raises RecordingError."""
    header, table = _table(text.removeprefix("\ufeff"))
    width = len(table[0][1]) if table else 0
    if len(table) < 2:
        raise RecordingError(f"the CSV needs at least two lines with values; there are {len(table)}")
    when, what = _columns(header, width, table[0][0])
    named = header[what] if header and what is not None else ""
    times = _read([(line, cells[when]) for line, cells in table], _time)
    if len({isinstance(time, _Zoned) for time in times}) > 1:
        raise RecordingError("some times of the CSV have a zone and some have none: give all of them one")
    rates: Sequence[float | None] = [None] * len(table)
    if what is not None:
        rates = _read(
            [(line, cells[what]) for line, cells in table], lambda text, comma: _rate(text, comma, named)
        )
    made = [Row(line, time, rate) for (line, _unused), time, rate in zip(table, times, rates, strict=True)]
    for earlier, later in itertools.pairwise(made):
        if later.time < earlier.time:
            raise RecordingError(
                f"line {later.line} of the CSV is earlier than line {earlier.line}: the times must not go back; sort it"
            )
    return made


def _table(text: str) -> tuple[list[str] | None, list[tuple[int, list[str]]]]:
    """Column names, if the first line has some, and the lines' cells."""
    lines = text.splitlines()
    # A blank or a comment is left in place, so that lines keep their numbers.
    kept = ["" if line.lstrip().startswith("#") else line for line in lines]
    first = next((line for line in kept if line.strip()), "")
    announced = re.fullmatch(r"sep=(.)", first.strip(), re.IGNORECASE)
    if announced:
        kept[kept.index(first)] = ""
    separator = announced[1] if announced else next((mark for mark in "\t;" if mark in first), ",")
    reader, found = csv.reader(kept, delimiter=separator, skipinitialspace=True, strict=True), []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                found.append((reader.line_num, stripped))
    except csv.Error as error:
        raise RecordingError(f"line {reader.line_num} of the CSV can't be read: {error}") from None
    header = None
    if found and all(re.match(r"[^\W\d]|[@_(]", cell) for cell in found[0][1] if cell):
        header = found.pop(0)[1]
    width = len(header) if header else len(found[0][1]) if found else 0
    for line, cells in found:
        while len(cells) > width and not cells[-1]:
            cells.pop()
        if len(cells) != width:
            raise RecordingError(
                f"line {line} of the CSV has another number of columns than the first: {len(cells)} instead of {width}, with "
                f"{separator!r} between them. Numbers with such a mark in them have to be in quotes"
            )
    return header, found


def _columns(header: list[str] | None, width: int, line: int) -> tuple[int, int | None]:
    """Where the times stand, and where the rates."""
    if header is None:
        if width > 2:
            raise RecordingError(
                f"line {line} of the CSV has {width} columns and no names above: leave two, a time and a rate, or name them"
            )
        return 0, 1 if width == 2 else None
    names = [name.lower() for name in header]
    if width == 1:
        return 0, None
    rates = [
        n for n, name in enumerate(names) if _IS_RATE.search(name) and not name.startswith(("time", "date"))
    ]
    times = [n for n, name in enumerate(names) if n not in rates and _IS_TIME.search(name)]
    if width == 2 and len(times) == 1:
        rates = [1 - times[0]]
    elif width == 2 and not times:
        times = [1 - rates[0]] if len(rates) == 1 else [0]
        rates = [1 - times[0]]
    if len(times) != 1 or len(rates) != 1:
        raise RecordingError(
            f"the CSV's columns are {', '.join(header)}: which is the time, and which the rate? Leave one of each, named "
            "`time` and `rate`"
        )
    if _IS_COUNT.search(names[rates[0]]):
        raise RecordingError(
            f"the CSV's column {header[rates[0]]!r} may be requests a second or requests a line: name it `rate` if it is the "
            "first, and divide by the seconds of a line if it is the second"
        )
    return times[0], rates[0]


def _read(column: list[Cell], read: Callable[[str, bool | None], float]) -> list[float]:
    """All of a column by one reading of its commas: as another of its cells shows it, where one alone does not."""
    shown = {style for _unused, text in column if (style := _comma_is_decimal(text)) is not None}
    if len(shown) > 1:
        line, text = next(cell for cell in column if _comma_is_decimal(cell[1]))
        raise RecordingError(
            f"line {line} of the CSV has {text!r}, a decimal comma, and other lines have decimal points"
        )
    found = []
    for line, text in column:
        try:
            found.append(read(text, next(iter(shown), None)))
        except ValueError as error:
            raise RecordingError(f"line {line} of the CSV has {text!r}: {error}") from None
    return found


def _comma_is_decimal(text: str) -> bool | None:
    """Whether a cell's comma can only be a decimal one (True), its point can (False), or it does not show."""
    match = _NUMBER.fullmatch(text)
    if match is None or ":" in text:
        return None
    digits = match["number"].translate(_SPACES).lstrip("+-")
    if "," in digits and "." in digits:
        return digits.rindex(",") > digits.rindex(".")
    for mark in ",.":
        if mark in digits:
            head, _mark, tail = digits.partition(mark)
            if digits.count(mark) > 1:
                return mark != ","  # grouping, so that the other one is decimal
            if len(tail) != 3 or not 1 <= len(head) <= 3 or head.startswith("0"):
                return mark == ","
    return None


def _number(text: str, comma: bool | None) -> tuple[float, str]:
    """A number, and what stands behind it."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError("that is no number" if text else "there is nothing; write 0, or remove the line")
    digits = match["number"].strip().translate(_SPACES)
    if comma is None and "," in digits:
        raise ValueError(
            f"{digits} may be {digits.replace(',', '')} or {digits.replace(',', '.')}: write it without the comma"
        )
    group, decimal = (".", ",") if comma else (",", ".")
    whole, _mark, fraction = digits.partition(decimal)
    if group in whole and not re.fullmatch(rf"[+-]?\d{{1,3}}(?:{re.escape(group)}\d{{3}})+", whole):
        raise ValueError(f"{group!r} does not stand between thousands")
    return float(f"{whole.replace(group, '')}.{fraction}" if fraction else whole.replace(group, "")), match[
        "unit"
    ].strip()


def _rate(text: str, comma: bool | None, named: str) -> float:
    """A second; of `720 req/min`, `1.2K req/s`, or a number whose column says so."""
    number, unit = _number(text, comma)
    if not math.isfinite(number) or number < 0:
        raise ValueError("that is no rate")
    per = _per(named) or "s"
    multiple = re.match(r"([kKM])(?![a-zA-Z])", unit)
    if multiple:
        number, unit = number * _MULTIPLES[multiple[1].lower()], unit[1:].strip()
    if unit:
        match = _RATE.fullmatch(unit.lower())
        if match is None:
            raise ValueError(
                f"unit {unit!r} is unknown; there are req/s, rps, req/min, req/h, users, and K or M before them"
            )
        per = _per(unit) or per
    return number / _PER[per]


def _per(words: str) -> str | None:
    """s, m or h, where a unit or a column's name has one."""
    match = re.search(r"(?:/|per[ _])\s*(s|m|h)|(rp|qp)(s|m)\b|\b(hz)\b", words.lower())
    if match is None:
        return None
    return match[1] or match[3] or "s"


class _Zoned(float):
    """A time that was given with its zone."""


def _time(text: str, comma: bool | None) -> float:
    """Seconds: a number, a clock's time, a date and time as ISO 8601 has it, or 31.01.2026 12:00:00."""
    clock = re.fullmatch(r"(\d+):([0-5]\d):([0-5]\d(?:[.,]\d+)?)", text)
    if clock:
        return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3].replace(",", "."))
    german = re.fullmatch(r"(\d{1,2})\.(\d{1,2})\.(\d{4}),?\s+(\S+)", text)
    if german or re.match(r"\d{4}-?\d\d-?\d\d[T ]", text):
        written = f"{german[3]}-{int(german[2]):02}-{int(german[1]):02}T{german[4]}" if german else text
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise ValueError("that is no date and time; write 2026-01-31T12:00:00Z") from None
        return _Zoned(moment.timestamp()) if moment.tzinfo else moment.replace(tzinfo=UTC).timestamp()
    if "/" in text:
        raise ValueError("is the day first or the month? Write 2026-01-31T12:00:00Z")
    try:
        number, unit = _number(text, comma)
    except ValueError as error:
        raise ValueError(f"{error}; a time is seconds, or as 2026-01-31T12:00:00Z") from None
    if unit and unit.lower() not in _TIMES:
        raise ValueError(f"unit {unit!r} of a time is unknown; there are {', '.join(_TIMES)}")
    if not math.isfinite(number):
        raise ValueError("that is no time")
    scale = (
        _TIMES[unit.lower()]
        if unit
        else 1 / next((divisor for least, divisor in _EPOCHS if number >= least), 1)
    )
    return number * scale
