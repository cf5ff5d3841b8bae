"""Numbers in what others wrote: names of objects, annotations, headers."""

from __future__ import annotations

_DIGITS_MAX = 4300
"""More ``int`` takes from no text. https://docs.python.org/3/library/stdtypes.html#int-max-str-digits"""


def natural(text: str) -> int | None:
    """The number that a text of the digits 0 to 9 is; None for any other, such as ``²``, which is a digit to Unicode."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX else None
