"""A project of Google's in memory, and what the modules do in it, on its clock."""

from __future__ import annotations

import json
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlops.tfserving.plugins.module_utils.gcp.rest import Google
from ansible_collections.mlops.tfserving.plugins.module_utils.gke import client, converge
from ansible_collections.mlops.tfserving.plugins.module_utils.gke.desired import (
    CLUSTER_ARGUMENTS,
    POOL_ARGUMENTS,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.retry import Clock
from google_in_memory import LOCATION, PROJECT, FakeGoogle

Json = dict[str, Any]


class World:
    """A project of Google's, and the modules' work in it."""

    def __init__(self, google: FakeGoogle) -> None:
        self.google = google
        self.timeout = 600.0

    def connect(self, _: Json) -> client.Gke:
        clock = Clock(self.google.now, self.google.sleep)
        service = Google("https://google", self.google, clock)
        return client.Gke(service, PROJECT, LOCATION, self.timeout, clock)

    def cluster(self, *, check: bool = False, **options: Any) -> Json:
        """What gke_cluster returns. Raises ``GoogleError``."""
        extra = {
            "state": "present",
            "node_pools_exclusive": False,
            "recreate": "never",
            "deletion_protection": False,
            "kubeconfig_file": None,
            "own_only": False,
            "adopt": False,
        }
        params = self._params(CLUSTER_ARGUMENTS, {"name": "c", **options}, extra)
        return converge.converge_cluster(params, check)

    def pool(self, *, check: bool = False, **options: Any) -> Json:
        """What gke_node_pool returns. Raises ``GoogleError``."""
        params = self._params(
            POOL_ARGUMENTS,
            {"name": "n", **options},
            {"state": "present", "recreate": "never", "adopt": False, "cluster": "c"},
        )
        return converge.converge_pool(params, check)

    def _params(self, arguments: Json, options: Json, extra: Json) -> Json:
        mine = {name: value for name, value in options.items() if name in extra}
        rest = {name: value for name, value in options.items() if name not in extra and name != "location"}
        result = ArgumentSpecValidator(arguments).validate(json.loads(json.dumps(rest)))
        assert result.error_messages == []
        place = {"project": PROJECT, "location": options.get("location", LOCATION)}
        return {**result.validated_parameters, **extra, **mine, **place}
