"""What is tried again, and after which pause, on a clock of the test's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.errors import ApiError, NoAnswer
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Answer, Google
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import (
    RETRY_AFTER_MAX,
    Clock,
    Policy,
    Transient,
    retried,
    seconds_of,
)


class Time:
    """Seconds pass only where somebody sleeps."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    @property
    def clock(self) -> Clock:
        return Clock(lambda: sum(self.pauses), self.pauses.append, lambda: 1e9 + sum(self.pauses))


def test_pauses_double_with_jitter_up_to_the_longest() -> None:
    policy = Policy(first=1, longest=10)
    for failures, maximum in ((1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (50, 10)):
        pauses = {policy.pause(failures) for _ in range(20)}
        assert maximum / 2 <= min(pauses) <= max(pauses) <= maximum
        assert len(pauses) > 1, "not all clients at once"


def test_a_servers_wish_is_followed_but_not_for_an_hour() -> None:
    assert Policy().pause(1, retry_after=7) == 7
    assert Policy().pause(1, retry_after=3600) == RETRY_AFTER_MAX
    assert Policy().pause(1, retry_after=0) > 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), (" 0 ", 0), (None, None), ("", None), ("soon", None), ("-3", None), ("²", None), ("9" * 5000, None),
     (formatdate(1e9 + 60, usegmt=True), 60), (formatdate(1e9 - 60, usegmt=True), 0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert seconds_of(text, 1e9) == seconds


def test_nothing_else_takes_unicodes_digits_for_numbers() -> None:
    """`"²".isdigit()` is true, and `int("²")` fails."""
    plugins = Path(__file__).resolve().parents[2] / "plugins"
    who = [
        path.name
        for path in plugins.rglob("*.py")
        if re.search(r"\.is(digit|numeric)\(", path.read_text()) and path.name != "digits.py"
    ]
    assert who == []


def fails(times: int) -> Iterator[Exception | None]:
    yield from (Transient(OSError(f"number {number}")) for number in range(1, times + 1))
    while True:
        yield None


@pytest.mark.parametrize(("policy", "failures", "said"), [
    (Policy(attempts=3), 2, "done"),
    (Policy(attempts=3), 3, "number 3"),
    (Policy(attempts=1), 1, "number 1"),
    (Policy(attempts=99, first=1, longest=1, deadline=0.4), 1, "number 1"),
    (Policy(attempts=99, first=1, longest=1, deadline=60), 9, "done"),
])  # fmt: skip
def test_it_ends_with_success_the_last_error_or_the_deadline(
    policy: Policy, failures: int, said: str
) -> None:
    results, time = fails(failures), Time()

    def work() -> str:
        error = next(results)
        if error is not None:
            raise error
        return "done"

    try:
        assert retried(work, policy, time.clock) == said
    except OSError as error:
        assert str(error) == said
    assert len(time.pauses) <= failures


def google(time: Time, *answers: Answer | Exception) -> Google:
    left = iter(answers)

    def transport(*_: object, **__: object) -> Answer:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Google("http://google", transport, time.clock)


def test_google_is_asked_again_when_it_says_so() -> None:
    time = Time()
    busy = Answer(429, {"retry-after": "12"}, b"{}")
    assert google(time, busy, ConnectionError("cut"), Answer(200, {}, b"{}")).call("GET", "/x") == {}
    assert time.pauses[0] == 12
    assert time.pauses[1] <= 2


def test_what_may_have_been_done_is_not_sent_again() -> None:
    for first, error in ((ConnectionError("cut"), NoAnswer), (Answer(500, {}, b"{}"), ApiError)):
        time = Time()
        with pytest.raises(error):
            google(time, first).call("POST", "/x", {})
        assert time.pauses == []
