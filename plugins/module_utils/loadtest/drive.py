"""Drives a Locust master in the cluster and writes down what the cluster does meanwhile."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from ..gcp.errors import BadInput
from ..k8s.client import KubeClient
from ..k8s.errors import KubeError
from ..k8s.identity import cluster_uid
from ..k8s.options import client_from_params
from ..outcome import failure
from ..preflight.bill import read_terms
from ..progress import progress
from .counters import Counters
from .live import shown
from .locust import Locust, collect_results
from .run import LoadTest, RunFailed, Settings
from .runs import TIMELINE, point_latest, under_way
from .samples import Samples
from .schema import Json
from .shapes import Plan
from .slo import asked_of_all
from .timeline import Timeline
from .watch import CannotList, follow, followers
from .watchdog import steady_clock

LIST_SECONDS = 30
"""How long the first lists of the cluster's objects are waited for."""


def drive(params: Json, *, check_mode: bool) -> Json:
    """What locust_run answers."""
    folder = Path(params["reports_dir"]).resolve() / params["run"]
    if check_mode:
        return {
            "changed": True, "run_dir": str(folder), "files": [], "settled": False, "problems": [],
        }  # fmt: skip
    try:
        told = _told(params)
        api = client_from_params(params)
        folder.mkdir(parents=True, exist_ok=True)
        with under_way(folder):
            point_latest(folder)
            with shown(folder, told):
                return _run(params, folder, api)
    except BadInput as error:
        return failure(str(error))
    except (RunFailed, CannotList) as error:
        return failure(f"{error} What was seen until then: {folder}/{TIMELINE}", run_dir=str(folder))
    except OSError as error:
        return failure(f"the report's folder can't be written: {folder}: {error.strerror}")
    except KubeError as error:
        return failure(error.message, run_dir=str(folder))


def _told(params: Json) -> Json:
    """What the page of the run needs to know, as the report will."""
    users = params["plan"]["users"] if params["plan"] else 0
    given = {name: params[name] for name in ("slo", "workers", "environment")}
    return {"users": users, "terms": read_terms(params["billing"]), **given}


def _run(params: Json, folder: Path, api: KubeClient) -> Json:
    settings = Settings(
        namespace=params["namespace"],
        deployment=params["deployment"],
        workers=params["workers"],
        start_timeout=params["start_timeout"],
        load_timeout=params["load_timeout"],
        settle_timeout=params["settle_timeout"],
        locustfile=params.get("locustfile"),
        plan=Plan.from_json(params["plan"]) if params["plan"] else None,
        until=asked_of_all(params["slo"]) if params["stop_when_broken"] else None,
        kubernetes=(api.get_or_none("/version") or {}).get("gitVersion"),
        cluster=cluster_uid(api),
    )
    clock = steady_clock()
    locust = Locust(api, params["namespace"], params["service"])
    timeline, stop = Timeline(folder / TIMELINE, clock.now), threading.Event()
    try:
        followed = followers(api, timeline, settings.namespace, settings.deployment)
        follow(followed, stop, LIST_SECONDS)
        counters = Counters(api, timeline, settings.namespace, settings.deployment)
        counters.first()
        samples = Samples(api, timeline, settings.namespace)
        samples.poll()
        for look in (counters, samples):
            threading.Thread(target=look.run, args=(stop,), daemon=True).start()
        test = LoadTest(locust, timeline, settings, clock, progress)
        try:
            test.run()
        finally:
            files = collect_results(locust, folder, time.sleep) if test.begun else []
        settled = test.settle(followed)
    finally:
        stop.set()
        timeline.close()
    return {
        "changed": True,
        "run_dir": str(folder),
        "files": files,
        "settled": settled,
        "problems": test.troubles,
    }
