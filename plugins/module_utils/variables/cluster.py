"""What can be wrong with the cluster role's variables: what the module that makes the cluster would refuse."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from ..gke.wanted import CLUSTER_ARGUMENTS, POOL_ARGUMENTS, wanted_cluster, wanted_pool
from .arguments import refusals, typed
from .reading import Variables

_RULE = "cluster-options"
_OTHERWISE_NAMED = {
    "cluster_version": "initial_cluster_version",
    "cluster_private_nodes": "default_enable_private_nodes",
}


def check_cluster(variables: Variables) -> None:
    if variables.text("cluster_kubeconfig_file"):
        return  # It is there already, and nobody's to make.
    location, pools, wrong = variables.text("cluster_location"), [], False
    for number, pool in enumerate(variables.listing("cluster_node_pools")):
        found, wrongs = typed(pool, POOL_ARGUMENTS)
        pools.append(found)
        where = f"cluster_node_pools[{number}]"
        texts = [f"{where}, {pool.get('name', 'without a name')}: {text}" for text in wrongs]
        for text in texts or refusals(lambda: wanted_pool(pools[-1], location)):
            wrong = True
            variables.tell(
                "cluster_node_pools", text, "docs/gke.md has the options of node pools.", rule=_RULE
            )
    options = {
        _OTHERWISE_NAMED.get(name, name.removeprefix("cluster_")): value
        for name, value in variables.given.items()
        if name.startswith("cluster_") and value not in ("", None, {}, [])
    }
    options = {
        name: value for name, value in options.items() if name in CLUSTER_ARGUMENTS and name != "node_pools"
    }
    found, wrongs = typed(options, CLUSTER_ARGUMENTS)
    # Any project will do where none is known here: the module has it from elsewhere then.
    found |= {"project": variables.project or "project", "location": location}
    found |= {"node_pools": pools if pools and not wrong else None}
    for text in wrongs or refusals(lambda: wanted_cluster(found)):
        variables.tell("cluster_name", text, "docs/gke.md has the options of clusters.", rule=_RULE)
