"""While a rollout has pods more than are wanted, the HPA is kept from asking for more because of them.

The controller multiplies value / target by the pods that match, a rollout's surge included: below its target it
asks for more replicas than there are (4 replicas, 5 pods, CPU at 85 % of its target: 5). With a tolerance of 1
downwards everything below the target is within the tolerance, and it leaves the number alone; above the target it
scales out as ever. The field is there since Kubernetes 1.35; older ones forget it, and nothing is held.
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#tolerance
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from ..background import in_background
from ..retry import Clock
from .autoscalers import is_kedas, scales
from .client import KubeApi
from .errors import KubeError
from .lease import alive
from .listing import pages
from .objects import Json
from .quantities import quantity

NOTE = "mlops.tfserving/held-tolerance"

HELD = "1"
LOOK = 0.5
"""Seconds between looks whether who holds it still lives, and before a patch is tried again."""

GIVEN_BACK = 60
"""Times that giving back is tried again: half a minute, as a control plane takes to start anew."""


def holding(hpa: Json, who: str = "") -> Json | None:
    """The patch that holds it; None where this one holds it, it scales by no behaviour of its own, or is another's to write.

    Who comes to one that is held, such as by a run that was killed, holds it on.
    """
    down = (hpa["spec"].get("behavior") or {}).get("scaleDown")
    if down is None or is_kedas(hpa):
        return None
    before, by = _noted(hpa) if NOTE in _notes(hpa) else (str(down.get("tolerance") or ""), None)
    if by == who:
        return None
    patch: Json = {
        "metadata": {
            "resourceVersion": hpa["metadata"]["resourceVersion"],
            "annotations": {NOTE: f"{before}@{who}"},
        }
    }
    if by is None:
        patch["spec"] = {"behavior": {"scaleDown": {"tolerance": HELD}}}
    return patch


def giving_back(hpa: Json, who: str | None = None) -> Json | None:
    """The patch that gives it its tolerance back, if it still has the one that holds it; None where it is not held.

    ``who``: None too where another one than this holds it.
    """
    if NOTE not in _notes(hpa):
        return None
    before, by = _noted(hpa)
    if who not in (None, by):
        return None
    patch: Json = {
        "metadata": {"resourceVersion": hpa["metadata"]["resourceVersion"], "annotations": {NOTE: None}}
    }
    if is_held(hpa):
        patch["spec"] = {"behavior": {"scaleDown": {"tolerance": before or None}}}
    return patch


def is_held(hpa: Json) -> bool:
    """Whether it has the tolerance that holds it; the API may write the same amount in another way."""
    tolerance = ((hpa["spec"].get("behavior") or {}).get("scaleDown") or {}).get("tolerance")
    return tolerance is not None and quantity(tolerance) == quantity(HELD)


@contextmanager
def held(
    api: KubeApi, again: Callable[[], KubeApi], namespace: str, name: str, clock: Clock
) -> Iterator[list[str]]:
    """Holds the HPA of a Deployment meanwhile; what could not be done is added to the warnings that it yields.

    ``again``: another client of the same cluster, for the process that gives it back should this one be killed.
    """
    warnings: list[str] = []
    path = _find(api, namespace, name)
    if path is None:
        yield warnings
        return
    me, who = os.getpid(), uuid.uuid4().hex[:8]
    if _hold(api, path, who, warnings, clock):
        in_background(lambda: _give_back_after(me, again, path, who, clock))
    try:
        yield warnings
    finally:
        _give_back(api, path, warnings, clock)


def _find(api: KubeApi, namespace: str, name: str) -> str | None:
    """The path of the HPA that scales the Deployment; one that this identity may not see is nobody's to hold."""
    listed = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
    try:
        for page in pages(api, listed):
            for hpa in page:
                if scales(hpa, name):
                    return f"{listed}/{hpa['metadata']['name']}"
    except KubeError:
        pass
    return None


def _hold(api: KubeApi, path: str, who: str, warnings: list[str], clock: Clock) -> bool:
    try:
        kept = _patched(api, path, partial(holding, who=who), clock)
        if not is_held(kept):  # Kubernetes before 1.35 forgets it
            _patched(api, path, giving_back, clock)
    except KubeError as error:
        warnings.append(
            f"The HPA {_named(path)} may count the pods that this rollout has more, and ask for replicas because of them: "
            f"{error.message}"
        )
        return False
    return is_held(kept)


def _give_back(api: KubeApi, path: str, warnings: list[str], clock: Clock, who: str | None = None) -> None:
    try:
        _patched(api, path, partial(giving_back, who=who), clock, GIVEN_BACK)
    except KubeError as error:
        if error.status != 404:  # gone meanwhile
            warnings.append(
                f"The HPA {_named(path)} still has the tolerance of this rollout, and scales in by nothing: {error.message} "
                "Run the role autoscaling again, which gives it back."
            )


def _give_back_after(process: int, again: Callable[[], KubeApi], path: str, who: str, clock: Clock) -> None:
    """What the process itself has given back, the next one may hold by then: that stays."""
    while alive(process):
        clock.sleep(LOOK)
    _give_back(again(), path, [], clock, who)


def _patched(
    api: KubeApi, path: str, patch: Callable[[Json], Json | None], clock: Clock, tries: int = 3
) -> Json:
    """The HPA after the patch, which is tried again where others write at the same moment or the answer is lost."""
    for left in range(tries, -1, -1):
        found = api.get(path)
        body = patch(found)
        if body is None:
            break
        try:
            return api.patch(path, body)
        except KubeError as error:
            if (error.status != 409 and not error.passing) or not left:
                raise
            clock.sleep(LOOK)
    return found


def _notes(hpa: Json) -> Json:
    return hpa["metadata"].get("annotations") or {}


def _noted(hpa: Json) -> tuple[str, str]:
    """The tolerance that it had, and who holds it."""
    before, _unused, by = _notes(hpa)[NOTE].partition("@")
    return before, by


def _named(path: str) -> str:
    return path.rpartition("/")[2]
