"""What can be wrong with what is asked of a model, and with what it answers."""

from __future__ import annotations


class GoldenError(Exception):
    """Golden predictions that cannot be used; the text says which, why, and the way out."""


class BadAnswer(Exception):
    """The model server (or what lies between) answered, but not with what was asked for.

    ``passing``: whether the next answer may be another one, as of a queue that is full for a moment;
    ``retry_after``: the seconds that the server asked to wait, if it did.
    """

    def __init__(self, message: str, *, passing: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.retry_after = retry_after
