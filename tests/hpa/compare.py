"""Holds the HPA's rules against the real controller of each minor: python -m tests.hpa.compare [looks a minor]."""

from __future__ import annotations

import importlib
import random
import sys

importlib.import_module("tests.conftest")  # makes the collection importable
from tests.hpa import cases, oracle  # noqa: E402

RECORDED = 100
"""Scenarios of each minor whose answers are kept for the unit tests."""


def main() -> int:
    looks = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    wrong = 0
    for minor in [int(m) for m in sys.argv[2:]] or oracle.RELEASES:
        chance = random.Random(minor)
        left, first = looks, True
        while left > 0:
            some = [cases.scenario(chance, minor) for _ in range(min(500, -(-left // cases.LOOKS)))]
            left -= len(some) * cases.LOOKS
            answered = oracle.answers(minor, some)
            if first:
                oracle.record(minor, answered[:RECORDED])
                first = False
            for given, theirs in zip(some, answered, strict=True):
                for number, (ours, answer) in enumerate(
                    zip(cases.decisions(given, minor), theirs, strict=True)
                ):
                    if problem := cases.difference(ours, answer):
                        wrong += 1
                        if wrong <= 5:
                            seen = given["Looks"][number]
                            print(
                                f"1.{minor}, look {number}: {problem}",
                                given["Spec"],
                                seen,
                                ours,
                                answer,
                                sep="\n  ",
                            )
                        break
        print(
            f"Kubernetes {oracle.RELEASES[minor]}: {looks} looks, {wrong} scenarios that differ so far",
            flush=True,
        )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
