"""One run at a time changes an environment: a Lease in its namespace, renewed until the run's process has ended.

https://kubernetes.io/docs/concepts/architecture/leases/
"""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..progress import progress
from ..retry import Clock
from .client import KubeApi
from .errors import KubeError
from .objects import MANAGED_BY

Json = dict[str, Any]

NAME = "mlops-tfserving"
DURATION = 30
"""Seconds without a renewal after which a run is taken for dead: above an API server's hiccup."""

RENEWAL = 5.0
POLL = 1.0
STALE = 2 * RENEWAL
"""Seconds since the last renewal after which the process that renews is taken for dead; its clock is this machine's."""

LOOK = 0.5
"""Seconds between looks whether the run still lives."""

_STATE, _STARTED = 0, 19
"""Places in what ``_stat`` returns; it began in ticks of the clock since the machine did."""


def holder_of(process: int) -> str:
    """Who holds it, in words that lead to the run, and that no other run has.

    Containers of one machine may have its name, each a process of the same number: when that began tells them apart.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        user = str(os.getuid())
    job = os.environ.get("JOB_ID")  # of AWX
    began = stat[_STARTED] if (stat := _stat(process)) else "unknown"
    return f"{user}@{socket.gethostname()}, process {process} (begun at tick {began}){f', AWX job {job}' if job else ''}"


def hold(api: KubeApi, namespace: str, me: str, *, timeout: float, check_mode: bool, clock: Clock) -> Json:
    """Waits for the Lease and takes it; ``acquired`` says whether this run did not have it before, ``keep`` whether nobody
    renews it now.

    One that nobody renews while it is looked at is taken over: whatever clocks others have. Raises KubeError when a run
    that lives holds it for longer than ``timeout``.
    """
    began, seen, since, asked = clock.now(), None, clock.now(), False
    while True:
        found = api.get_or_none(f"{_path(namespace)}/{NAME}")
        who = str(((found or {}).get("spec") or {}).get("holderIdentity") or "")
        if who == me and asked:  # the answer was lost
            return {"changed": False, "acquired": True, "keep": True, "holder": me}
        if who == me or check_mode:
            unkept = who == me and not check_mode and _revived(api, namespace, found or {}, clock)
            held = [f"Another run changes namespace {namespace}: {who}."] if who not in ("", me) else []
            return {"changed": False, "acquired": False, "keep": unkept, "holder": who, "warnings": held}
        version = (found or {}).get("metadata", {}).get("resourceVersion")
        if version != seen:
            seen, since = version, clock.now()
        if found is None or not who or clock.now() - since >= DURATION:
            try:
                _take(api, namespace, me, version, clock)
            except KubeError as error:
                if error.status == 404 and found is None:
                    # no such namespace
                    return {"changed": False, "acquired": False, "keep": False, "holder": ""}
                if error.status not in (404, 409) and not error.passing:
                    raise
                asked = asked or error.passing
                if error.passing and clock.now() - began >= timeout:
                    raise
            else:
                return {"changed": False, "acquired": True, "keep": True, "holder": me}
        elif clock.now() - began >= timeout:
            raise KubeError(
                0, "Held",
                f"namespace {namespace} is being changed by another run: {who}, since "
                f"{found['spec'].get('acquireTime', 'an unknown time')}. Nothing was changed. Wait until that has ended; if it "
                f"was killed, its Lease {NAME} is free {DURATION} s later.",
            )  # fmt: skip
        elif clock.now() == began:
            progress(f"waiting for another run that changes namespace {namespace}: {who}")
        clock.sleep(POLL)


def keep(
    api: Callable[[], KubeApi], namespace: str, me: str, lives: Callable[[], bool], clock: Clock
) -> None:
    """Renews the Lease while the run lives, and then gives it back. Ends when somebody else has it."""
    renewed = clock.now()
    while lives():
        if clock.now() - renewed >= RENEWAL:
            renewed = clock.now()
            try:
                found = _own(api(), namespace, me)
                if found is None:
                    return
                _renew(api(), namespace, found, clock)
            except KubeError:
                pass  # the next time, perhaps; a token is read anew each time
        clock.sleep(LOOK)
    try:
        found = _own(api(), namespace, me)
        if found is not None:
            only = {"preconditions": {"resourceVersion": found["metadata"]["resourceVersion"]}}
            api().delete(f"{_path(namespace)}/{NAME}", only)
    except KubeError:
        pass  # it runs out


def alive(process: int) -> bool:
    """Whether it runs; one that ended and that nobody has asked for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    stat = _stat(process)
    return not stat or stat[_STATE] != "Z"


def _stat(process: int) -> list[str]:
    """What Linux tells of a process, from its state on; nothing on another system. proc_pid_stat(5)"""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


def _now(clock: Clock) -> str:
    return datetime.fromtimestamp(clock.wall(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _own(api: KubeApi, namespace: str, me: str) -> Json | None:
    found = api.get_or_none(f"{_path(namespace)}/{NAME}")
    return found if found and found.get("spec", {}).get("holderIdentity") == me else None


def _renew(api: KubeApi, namespace: str, found: Json, clock: Clock) -> None:
    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
    api.patch(f"{_path(namespace)}/{NAME}", {"metadata": version, "spec": {"renewTime": _now(clock)}})


def _revived(api: KubeApi, namespace: str, found: Json, clock: Clock) -> bool:
    """Renews our own Lease where nobody does; whether that was so."""
    if _renewed_ago(found, clock) <= STALE:
        return False
    try:
        _renew(api, namespace, found, clock)
    except KubeError as error:
        if error.status in (404, 409):
            return False  # renewed, or taken, at this moment
        if not error.passing:
            raise
    return True


def _renewed_ago(found: Json, clock: Clock) -> float:
    """Seconds; none where the Lease does not say it."""
    try:
        return clock.wall() - datetime.fromisoformat(str(found["spec"]["renewTime"])).timestamp()
    except (KeyError, ValueError):
        return 0.0


def _take(api: KubeApi, namespace: str, me: str, version: str | None, clock: Clock) -> None:
    now = _now(clock)
    spec = {"holderIdentity": me, "leaseDurationSeconds": DURATION, "acquireTime": now, "renewTime": now}
    if version is None:
        body = {
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME, "labels": MANAGED_BY},
            "spec": spec,
        }  # fmt: skip
        api.post(_path(namespace), body)
    else:
        api.patch(f"{_path(namespace)}/{NAME}", {"metadata": {"resourceVersion": version}, "spec": spec})
