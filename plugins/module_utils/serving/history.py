"""Which version to return to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..k8s.objects import revision

Json = dict[str, Any]

VERSION, SERVED = "mlops.tfserving/model-version", "mlops.tfserving/served-version"


def version_before(replica_sets: Iterable[Json], present: str) -> dict[str, str]:
    """The version that served last before ``present``, empty for none, and why that one, in words.

    ``replica_sets``: those of one Deployment, whose own note of what served Kubernetes has copied to each as long as it had
    the pods. One without a note is of a time when nothing was noted, and counts as one that served.
    """
    passed: list[str] = []
    for found in sorted(replica_sets, key=revision, reverse=True):
        version = (found["spec"]["template"]["metadata"].get("annotations") or {}).get(VERSION, "")
        if version in ("", present):
            continue
        if (found["metadata"].get("annotations") or {}).get(SERVED, version) == version:
            over = [one for one in passed if one != version]
            return {
                "version": version,
                "words": f"Version {version} is the last that served before {present}.{_over(over)}",
            }
        passed.append(version)
    return {"version": "", "words": _over(passed).strip()}


def _over(passed: list[str]) -> str:
    if not passed:
        return ""
    names = ", ".join(dict.fromkeys(passed))
    return (
        f" Passed over: {names}, rolled out here later and undone or broken off before every pod had answered for it "
        f"(-e rollback_version={passed[0]} takes it all the same)."
    )
