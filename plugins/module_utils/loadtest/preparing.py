"""What locust_prepare does: a run is checked and its payload put in place, or everything of the run is removed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from ..k8s.errors import KubeError
from ..k8s.options import client_from_params
from ..k8s.token import too_short
from ..model_server.rest import Servable
from ..model_server.runtime import TF_SERVING
from ..outcome import failure
from . import payload, prepare
from .own_locustfile import LocustfileError, check_locustfile
from .schema import Json
from .shapes import ShapeError, plan, read_shape
from .slo import SloError, parse


def prepare_run(params: Json, *, check_mode: bool) -> Json:
    """What locust_prepare answers."""
    work = _present if params["state"] == "present" else _absent
    try:
        return work(params, check_mode)
    except (prepare.PrepareError, payload.PayloadError, ShapeError, SloError, LocustfileError) as error:
        return failure(f"the load test can't begin: {error}")
    except OSError as error:
        return failure(f"the payload can't be read: {error.filename}: {error.strerror}")
    except KubeError as error:
        return failure(error.message)


def _present(params: Json, check_mode: bool) -> Json:
    for line in params["slo"]:
        parse(line)
    made_plan, own = plan(read_shape(params["shape"])), params["locustfile"]
    if own:
        check_locustfile(Path(own), made_plan.model)
    servable = Servable(params["model"], params["version"])
    api, model, known = None, None, None
    if params["ask_model"]:
        api = client_from_params(params)
        short = too_short(params["kubeconfig"], params["context"], made_plan.curve.length, time.time())
        if short and not params["token_renewed"]:
            raise prepare.PrepareError(short)
        try:
            model = prepare.Model(api, params["namespace"], params["deployment"], servable)
        except prepare.PrepareError:
            if not check_mode:
                raise
    if model is not None:
        known = model.signatures()
    made = [] if own else _bodies(params, known)
    by_grpc = params["protocol"] == "grpc" and not own
    parts = payload.pack(payload.for_grpc(made, servable, known) if by_grpc and known is not None else made)
    if model is not None:
        model.try_all(made)
    maps = prepare.config_maps(f"locust-{params['run']}", params["namespace"], params["run"], parts)
    removed: list[str] = []
    if api is not None:
        for run in prepare.leftovers(api, params["namespace"], params["run"], time.time()):
            removed += [run] if check_mode else prepare.remove(api, params["namespace"], run)
        if not check_mode:
            prepare.apply_all(api, maps)
    return {
        "changed": True,
        "plan": made_plan.as_json(),
        "words": made_plan.words(),
        "path": TF_SERVING.predict_path(servable.model, servable.version),
        "bodies": [
            {"file": f"body-{number}", "name": body.name, "weight": body.weight}
            for number, body in enumerate(made)
        ],
        "config_maps": [item["metadata"]["name"] for item in maps],
        "model_asked": model is not None and not own,
        "removed": removed,
    }


def _bodies(params: Json, known: Mapping[str, Mapping[str, payload.Tensor]] | None) -> list[payload.Body]:
    return payload.bodies(
        prepare.read_payload(Path(params["payload"])),
        signature=params["signature"],
        known=known,
        columnar=params["payload_format"] == "columnar",
        weights=params["payload_weights"],
    )


def _absent(params: Json, check_mode: bool) -> Json:
    api = client_from_params(params)
    if check_mode:
        there = prepare.objects_of_runs(api, params["namespace"]).get(params["run"], [])
        removed = [f"{kind}/{item['metadata']['name']}" for kind, item in there]
    else:
        removed = prepare.remove(api, params["namespace"], params["run"])
    return {"changed": bool(removed), "removed": removed}
