"""What the roles would refuse by themselves, some of them only after the cluster has been made. Pure."""

# Copyright: the mlops.tfserving developers
# Apache License 2.0 (see LICENSE)

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..gcp.errors import BadInput
from ..gcs import bucket, iam
from ..gke.wanted import CLUSTER_ARGUMENTS, POOL_ARGUMENTS, wanted_cluster, wanted_pool
from ..k8s.quantities import quantity
from ..variables.check import problems_of
from ..variables.reading import Problem, whole
from ..variables.settings import absolute

Variables = Mapping[str, Any]

_ROLE = "The role's defaults/main.yml says what it takes."
_QUANTITIES = (
    "serving_cpu", "serving_memory", "serving_fetcher_memory", "serving_proxy_cpu", "serving_proxy_memory",
    "loadtest_master_cpu", "loadtest_worker_cpu", "loadtest_memory",
)  # fmt: skip
_SHARES = ("serving_max_surge", "serving_max_unavailable")
_OTHERWISE_NAMED = {
    "cluster_version": "initial_cluster_version",
    "cluster_private_nodes": "default_enable_private_nodes",
}
_RANGES = {
    "autoscaling_target_cpu_percent": (1, 2**31 - 1),
    "autoscaling_scale_up_stabilization_seconds": (0, 3600),
    "autoscaling_scale_down_stabilization_seconds": (0, 3600),
}
"""https://kubernetes.io/docs/reference/kubernetes-api/autoscaling/horizontal-pod-autoscaler-v2/"""


@dataclass(frozen=True)
class Mistake:
    """A variable, what is wrong with it, the way out, and whether nothing can be counted with its value."""

    variable: str
    message: str
    fix: str = _ROLE
    unreadable: bool = False


def mistakes(given: Variables, project: str) -> list[Mistake]:
    """All of them but those that rules of their own tell. ``given``: the roles' variables, of the right types."""
    return [
        *_serving(given), *_storage(given, project), *_autoscaling(given), *_loadtest(given), *_cluster(given, project),
    ]  # fmt: skip


def _serving(given: Variables) -> Iterator[Mistake]:
    for problem in problems_of({**given, "serving_model_bytes": 0}):  # model-memory has the size
        if not _is_told(problem):
            unreadable = not _is_readable(problem.variable, given)
            shown = str(problem).removesuffix(f" {problem.remedy}.")
            yield Mistake(problem.variable, shown, f"{problem.remedy}.", unreadable)


def _is_told(problem: Problem) -> bool:
    """Whether a rule has it: ``source-ranges``, ``model-missing``, ``hpa-request``, ``budget-blocks-draining``,
    ``grace-limit``.
    """
    value = problem.value
    if problem.variable in ("serving_source_ranges", "serving_model_uri"):
        return not value
    if problem.variable == "serving_cpu":
        return value in ("", None) or (_reads(quantity, value) and quantity(value) <= 0)
    if problem.variable == "serving_max_unavailable":
        return _reads(_percent, value) and _percent(value) <= 0
    # The other things that can be wrong with these are no numbers of seconds.
    return (
        problem.variable in ("serving_handover_seconds", "serving_drain_seconds") and (whole(value) or 0) >= 1
    )


def _is_readable(variable: str, given: Variables) -> bool:
    if variable in _QUANTITIES:
        return _reads(quantity, given[variable])
    return variable not in _SHARES or _reads(_percent, given[variable])


def _percent(value: Any) -> int:
    return absolute(str(value), 100)


def _reads(reader: Callable[[Any], Any], value: Any) -> bool:
    try:
        reader(value)
    except ValueError:
        return False
    return True


def _storage(given: Variables, project: str) -> Iterator[Mistake]:
    options = {
        "name": str(given["storage_bucket"]),
        "soft_delete_seconds": given["storage_soft_delete_seconds"],
    }
    if given["serving_model_source"] == "bucket":
        for text in _refused(lambda: bucket.check(options)):
            yield Mistake("storage_bucket", text)
        grants = given["storage_iam_members"] or ()
        for number, grant in enumerate(grants):
            _unused, wrongs = _checked(grant, iam.GRANT_ARGUMENTS)
            members = grant.get("members") or []
            if not isinstance(members, list) or not all(
                isinstance(one, str) for one in (grant.get("role"), *members)
            ):
                wrongs = wrongs or ["role has to be a text, and members a list of texts"]
            for text in wrongs:
                where = f"storage_iam_members[{number}]: {text}"
                yield Mistake("storage_iam_members", where, "Write {role: …, members: […]}.", unreadable=True)
            if wrongs:
                return
        for text in _refused(lambda: iam.check(grants, project, private=True)):
            yield Mistake("storage_iam_members", text)


def _autoscaling(given: Variables) -> Iterator[Mistake]:
    for variable, (low, high) in _RANGES.items():
        if not low <= int(given[variable]) <= high:
            most = f" and {high} at most" if high < 2**31 - 1 else ""
            yield Mistake(
                variable,
                f"{variable} is {given[variable]}, which Kubernetes refuses",
                f"Write {low} at least{most}.",
            )
    for variable in ("autoscaling_scale_up_policies", "autoscaling_scale_down_policies"):
        for policy in given[variable] or ():
            if not (int(policy["value"]) >= 1 and 1 <= int(policy["periodSeconds"]) <= 1800):
                yield Mistake(
                    variable,
                    f"{variable} has {policy}, which Kubernetes refuses",
                    "Write a value of 1 at least, and a periodSeconds of 1 to 1800.",
                )


def _loadtest(given: Variables) -> Iterator[Mistake]:
    for variable in _QUANTITIES:
        if variable.startswith("loadtest_") and not _reads(quantity, given[variable]):
            yield Mistake(
                variable,
                f"{variable} is {given[variable]!r}: it is not a quantity of Kubernetes",
                "Write one such as 500m or 256Mi.",
                unreadable=True,
            )


def _cluster(given: Variables, project: str) -> Iterator[Mistake]:
    if given["cluster_kubeconfig_file"]:
        return
    location, pools, wrong = str(given["cluster_location"]), [], False
    for number, pool in enumerate(given["cluster_node_pools"] or ()):
        found, wrongs = _checked(pool, POOL_ARGUMENTS)
        pools.append(found)
        where = f"cluster_node_pools[{number}]"
        texts = [f"{where}, {pool.get('name', 'without a name')}: {text}" for text in wrongs]
        for text in texts or _refused(lambda: wanted_pool(pools[-1], location)):
            wrong = True
            yield Mistake("cluster_node_pools", text, "docs/gke.md has the options of node pools.")
    options = {
        _OTHERWISE_NAMED.get(name, name.removeprefix("cluster_")): value
        for name, value in given.items()
        if name.startswith("cluster_") and value not in ("", None, {}, [])
    }
    options = {
        name: value for name, value in options.items() if name in CLUSTER_ARGUMENTS and name != "node_pools"
    }
    found, wrongs = _checked(options, CLUSTER_ARGUMENTS)
    found |= {"project": project, "location": location, "node_pools": pools if pools and not wrong else None}
    for text in wrongs or _refused(lambda: wanted_cluster(found)):
        yield Mistake("cluster_name", text, "docs/gke.md has the options of clusters.")


def _checked(options: Mapping[str, Any], spec: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The options with their types, and what is wrong with them."""
    try:
        result = ArgumentSpecValidator(spec).validate(dict(options))
    except TypeError:  # Ansible looks into a number as if it were a dictionary.
        odd = [
            name
            for name, value in options.items()
            if spec.get(name, {}).get("type") == "dict" and not isinstance(value, (Mapping, str))
        ]
        return {}, [f"{', '.join(odd) or 'a value'} has to be a dictionary"]
    return result.validated_parameters, result.error_messages


def _refused(check: Callable[[], Any]) -> list[str]:
    try:
        check()
    except BadInput as error:
        return [str(error)]
    return []
