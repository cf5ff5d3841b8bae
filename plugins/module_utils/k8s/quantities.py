"""Kubernetes quantities (``500m``, ``1.5Gi``, ``2e3``) as exact numbers, and back into words."""

from __future__ import annotations

import re
from fractions import Fraction

# https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_SUFFIXES = {
    "": Fraction(1),
    **{suffix: Fraction(10) ** power for suffix, power in {"n": -9, "u": -6, "m": -3}.items()},
    **{suffix: Fraction(10) ** power for suffix, power in {"k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}.items()},
    **{suffix: Fraction(2) ** power for suffix, power in {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}.items()},
}  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,2})|(n|u|m|k|[KMGTPE]i|[MGTPE])?)")


def quantity(text: str | float) -> Fraction:
    """The number that a quantity stands for; raises ValueError for what is none."""
    found = _QUANTITY.fullmatch(str(text).strip())
    if found is None:
        raise ValueError(f"not a Kubernetes quantity: {text!r}")
    number, exponent, suffix = found.groups()
    return Fraction(number + exponent) if exponent else Fraction(number) * _SUFFIXES[suffix or ""]


def in_words(resource: str, amount: Fraction) -> str:
    """An amount of a resource as people write it: ``0.94`` (cpu), ``2.5Gi`` (memory), ``1`` (a GPU)."""
    if resource == "memory" or resource.endswith("storage") or resource.startswith("hugepages"):
        for suffix in ("Gi", "Mi", "Ki"):
            if amount >= _SUFFIXES[suffix]:
                return f"{float(amount / _SUFFIXES[suffix]):.4g}{suffix}"
    return f"{float(amount):.4g}"
