"""Kubernetes' quantities as integers: CPU in mCPU, memory in bytes."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal

_FACTORS = {
    "": Decimal(1), "m": Decimal("0.001"), "u": Decimal("1e-6"), "n": Decimal("1e-9"),
    "k": Decimal(10**3), "M": Decimal(10**6), "G": Decimal(10**9), "T": Decimal(10**12),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40),
}  # fmt: skip
_FORM = re.compile(r"([0-9.]+(?:[eE][+-]?\d+)?)([numkKMGT]?i?)")


def _value(text: str | int | float) -> Decimal:
    match = _FORM.fullmatch(str(text))
    if match is None or match[2] not in _FACTORS:
        raise ValueError(f"not a quantity: {text}")
    return Decimal(match[1]) * _FACTORS[match[2]]


def cpu_milli(text: str | int | float) -> int:
    """mCPU, rounded up as the scheduler does."""
    return int((_value(text) * 1000).to_integral_value(ROUND_CEILING))


def memory_bytes(text: str | int | float) -> int:
    """Bytes, rounded up."""
    return int(_value(text).to_integral_value(ROUND_CEILING))
