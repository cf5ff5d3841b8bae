"""How clients get in: names, the Service's type, the ranges that may reach it, the Gateway."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable
from functools import partial
from typing import Any

from ..digits import natural
from .names import is_hostname, is_label, is_subdomain
from .reading import Variables
from .serving_hold import check_hold

# The longest addition is that of the ConfigMaps, "-" and ten digits; the longest name of a Service is 63.
_NAME_MAX = 52


# Kubernetes' own begin with kube-, and Google's with gke- or gmp-; https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
_SYSTEM_NAMESPACE = re.compile(r"default|(?:kube|gke|gmp|config-management|istio)-.*")


def check_access(variables: Variables) -> None:
    if _SYSTEM_NAMESPACE.fullmatch(variables.text("serving_namespace")):
        variables.refuse(
            "serving_namespace",
            "others run there, and would share names and quotas with this role's objects",
            "Name one of its own, such as tfserving, or say preflight_ignore: [system-namespace]",
            rule="system-namespace",
        )
    if not is_label(variables.text("serving_namespace")):
        variables.refuse(
            "serving_namespace",
            "no namespace can be called that",
            "Use lower-case letters, digits and -, at most 63, a letter or digit at both ends",
        )
    name = variables.text("serving_name")
    if not is_label(name) or natural(name[0]) is not None or len(name) > _NAME_MAX:
        variables.refuse(
            "serving_name",
            "no Service can be called that",
            f"Use lower-case letters, digits and -, at most {_NAME_MAX}, a letter first and no - last",
        )
    kind, internal = variables.text("serving_service_type"), variables.flag("serving_service_internal")
    _check_ranges(variables, kind, internal=internal)
    _check_internal(variables, kind, internal=internal)
    if kind == "Gateway":
        _check_gateway(variables)
    if variables.flag("serving_hold"):
        check_hold(variables, kind)


def _check_ranges(variables: Variables, kind: str, *, internal: bool) -> None:
    refuse = partial(variables.refuse, "serving_source_ranges")
    ranges = variables.listing("serving_source_ranges")
    is_external = kind == "LoadBalancer" and not internal
    if is_external and not ranges:
        name = variables.text("serving_name")
        refuse(
            f"the load balancer of {name} has an external address, and anybody could use the model, at your cost",
            "Name the ranges that may reach it, or set serving_service_internal: true",
            value=ranges,
            rule="source-ranges",
        )
    if kind in ("NodePort", "Gateway") and ranges:
        hint = "Leave them out, and restrict access by the network's firewall or the Gateway's policies"
        refuse(f"nothing would keep to them with serving_service_type {kind}", hint, rule="service-type")
    if is_external and _are_everybody(ranges):
        reason = "that is everybody: anybody can use the model, without a password, at your cost"
        hint = (
            "Name the ranges that need it, put a gateway that authenticates in front of an internal address, or say that "
            "everybody may: preflight_ignore: [open-endpoint]"
        )
        refuse(reason, hint, rule="open-endpoint")
    for text in ranges:
        try:
            ipaddress.ip_network(str(text))
        except ValueError:
            refuse("it is no range of addresses", _meant(str(text)), value=text)


def _are_everybody(ranges: Iterable[Any]) -> bool:
    """Whether ranges are all addresses together, as 0.0.0.0/1 and 128.0.0.0/1 are."""
    networks = []
    for text in ranges:
        with contextlib.suppress(ValueError):
            networks.append(ipaddress.ip_network(str(text), strict=False))
    four = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    return any(one.prefixlen == 0 for one in ipaddress.collapse_addresses(four)) or any(
        one.prefixlen == 0 for one in ipaddress.collapse_addresses(six)
    )


def _meant(text: str) -> str:
    try:
        return f"Write {ipaddress.ip_network(text, strict=False)}, or /32 for one address"
    except ValueError:
        return "Write ADDRESS/BITS, such as 203.0.113.0/24"


def _check_internal(variables: Variables, kind: str, *, internal: bool) -> None:
    refuse = partial(variables.refuse, rule="service-type")
    if internal and kind == "NodePort":
        reason = f"it is about load balancers, and serving_service_type is {kind}"
        refuse("serving_service_internal", reason, "Leave it out")
    if kind == "Gateway" and not internal:
        reason = "whoever reaches the Gateway can use the model, and that may be everybody"
        hint = (
            "Write true if its class is an internal one (gke-l7-rilb) or its policies ask who it is, or say that everybody "
            "may: preflight_ignore: [open-endpoint]"
        )
        variables.refuse("serving_service_internal", reason, hint, rule="open-endpoint")
    for name in ("serving_internal_subnet", "serving_internal_global_access"):
        if variables.text(name).lower() not in ("", "false") and not (internal and kind == "LoadBalancer"):
            hint = "Set serving_service_internal: true, or leave it out"
            refuse(name, "it is about internal load balancers", hint)


def _check_gateway(variables: Variables) -> None:
    refuse = partial(variables.refuse, rule="gateway")
    if not is_subdomain(variables.text("serving_gateway_name")):
        reason = "serving_service_type Gateway needs the name of a Gateway that exists"
        refuse("serving_gateway_name", reason, "Write its name; kubectl get gateways -A lists them")
    namespace = variables.text("serving_gateway_namespace")
    if namespace and not is_label(namespace):
        hint = "Write the namespace of the Gateway"
        refuse("serving_gateway_namespace", "no namespace can be called that", hint)
    listener = variables.text("serving_gateway_listener")
    if listener and not is_subdomain(listener):
        hint = "Leave it out for all of them"
        refuse("serving_gateway_listener", "no listener can be called that", hint)
    rest, grpc = "serving_gateway_hostnames", "serving_gateway_grpc_hostnames"
    hosts, grpc_hosts = variables.listing(rest), variables.listing(grpc)
    for name, host in [*((rest, host) for host in hosts), *((grpc, host) for host in grpc_hosts)]:
        if not is_hostname(str(host)):
            hint = "Write for example models.example.org or *.example.org, without scheme and port"
            refuse(name, "it is no name of a host", hint, value=host)
    shared = [host for host in grpc_hosts if not hosts or host in hosts]
    if shared:
        refuse(
            grpc,
            f"{shared[0]} is for REST, too (serving_gateway_hostnames), and a Gateway takes one kind of route for a host",
            "Give REST and gRPC hosts of their own",
        )
