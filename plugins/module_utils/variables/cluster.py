"""What can be wrong with the cluster role's variables: what the module that makes the cluster would refuse."""

from __future__ import annotations

from ..gcp.errors import BadInput
from ..gke.desired import CLUSTER_ARGUMENTS, POOL_ARGUMENTS, desired_cluster, desired_pool
from ..gke.role_options import role_options
from ..gke.schema import Json
from .arguments import refusals, typed
from .reading import Variables
from .texts import read_otherwise

_RULE = "cluster-options"


def check_cluster(variables: Variables) -> None:
    if variables.text("cluster_existing_kubeconfig"):
        return  # It is there already, and nobody's to make.
    location, pools, wrong = variables.text("cluster_location"), [], False
    for number, pool in enumerate(variables.listing("cluster_node_pools")):
        found, wrongs = typed(pool, POOL_ARGUMENTS)
        pools.append(found)
        where = f"cluster_node_pools[{number}]"
        texts = [f"{where}, {pool.get('name', 'without a name')}: {text}" for text in wrongs]
        texts = texts or _read_otherwise(where, pool, POOL_ARGUMENTS)
        for text in texts or refusals(lambda: desired_pool(pools[-1], location)):
            wrong = True
            variables.tell(
                "cluster_node_pools", text, "docs/gke.md has the options of node pools.", rule=_RULE
            )
    try:
        options = role_options(variables.given)
    except BadInput as error:
        variables.unreadable.add("cluster_options")
        variables.tell("cluster_options", str(error), "", rule=_RULE)
        return
    options.pop("node_pools", None)
    found, wrongs = typed(options, CLUSTER_ARGUMENTS)
    # Any project will do where none is known here: the module has it from elsewhere then.
    found |= {"project": variables.project or "project", "location": location}
    found |= {"node_pools": pools if pools and not wrong else None}
    wrongs = wrongs or _read_otherwise("cluster_options", options, CLUSTER_ARGUMENTS)
    for text in wrongs or refusals(lambda: desired_cluster(found)):
        variables.tell("cluster_name", text, "docs/gke.md has the options of clusters.", rule=_RULE)


def _read_otherwise(place: str, options: Json, arguments: Json) -> list[str]:
    odd = read_otherwise(place, options, {"type": "dict", "options": arguments})
    return [f"{one.message}. {one.hint}" for one in odd]
