"""Resources as Google lists them, with the marks of a cluster, for tests of what is known by which."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.mlops.tfserving.plugins.module_utils.leftovers.judge import judge
from ansible_collections.mlops.tfserving.plugins.module_utils.leftovers.site import Answers, Found, Site
from ansible_collections.mlops.tfserving.plugins.module_utils.preflight.prices import PRICES

Json = dict[str, Any]
LINKS = "https://www.googleapis.com/compute/v1/projects/p"
SITE = Site(
    "p", "c", "us-central1-f", "tfserving", "image-classifier", "models", ("nodes@p.iam.gserviceaccount.com",), ("endpoint",)
)  # fmt: skip
BALANCER = "a6f1c2b3a00004000800000000000000"
TAG = "gke-c-0a1b2c3d-node"


def thing(noun: str, name: str, place: str = "regions/us-central1", **fields: Any) -> Json:
    scope, _, where = place.partition("/")
    at = {scope[:-1]: f"{LINKS}/{place}"} if where else {}
    return {"name": name, "selfLink": f"{LINKS}/{place}/{noun}/{name}", "id": name, **at, **fields}


def words(**said: str) -> str:
    return json.dumps(said)


def service(name: str) -> str:
    return json.dumps({"kubernetes.io/service-name": name})


def cluster(name: str, location: str = "us-central1-f", **fields: Any) -> Json:
    return {"name": name, "location": location, "id": name * 8, **fields}


def found(compute: dict[str, list[Json]], site: Site = SITE, **answers: Any) -> list[Found]:
    return judge(site, Answers(compute=compute, **answers), PRICES)


def names(found_ones: list[Found], *, sure: bool = True) -> set[str]:
    return {one.name for one in found_ones if one.sure == sure}
