"""Whether a Gateway leads to a site: its routes, and the Gateways that these name. Pure, but for ``way``, which reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..k8s.client import KubeApi
from ..k8s.errors import KubeError
from ..k8s.objects import condition, name_of

Json = dict[str, Any]
Place = tuple[str, str]
"""Namespace and name."""

_API = "/apis/gateway.networking.k8s.io/v1"
_ROUTES = {"HTTPRoute": "httproutes", "GRPCRoute": "grpcroutes"}
"""By kind, as paths have them; the first is the one without which nobody is answered by REST."""
_FORBIDDEN = 403
_NOTE = "mlops.tfserving/routes"


@dataclass(frozen=True)
class Way:
    """What leads to a site from a Gateway; None for what is not there.

    ``unread``: why something is not known, such as a Gateway that the account may not read.
    """

    routes: Mapping[str, Json | None] = field(default_factory=dict)
    gateways: Mapping[Place, Json | None] = field(default_factory=dict)
    unread: tuple[str, ...] = ()


def way(
    api: KubeApi, namespace: str, app: str, deployments: Iterable[Json], each: Callable[..., Iterable[Any]]
) -> Way:
    """As the site's Deployment notes its routes; nothing is asked where there are none. ``each``: as ``map``, maybe at once.

    Raises KubeError.
    """
    deployment = next((one for one in deployments if name_of(one) == app), None)
    noted = ((deployment or {"metadata": {}})["metadata"].get("annotations") or {}).get(_NOTE, "").split()
    kinds = [kind for kind in _ROUTES if any(one.endswith(f"/{kind}") for one in noted)]
    paths = [f"{_API}/namespaces/{namespace}/{_ROUTES[kind]}/{app}" for kind in kinds]
    asked = list(each(lambda path: _read(api, path), paths))
    routes = {kind: found for kind, (found, why) in zip(kinds, asked, strict=True) if not why}
    unread = [f"{kind} {app}: {why}" for kind, (_, why) in zip(kinds, asked, strict=True) if why]
    places = list(
        dict.fromkeys(_place(route, parent) for route in routes.values() for parent in _parents(route))
    )
    paths = [f"{_API}/namespaces/{space}/gateways/{name}" for space, name in places]
    asked = list(each(lambda path: _read(api, path), paths))
    gateways = {place: found for place, (found, why) in zip(places, asked, strict=True) if not why}
    unread += [
        f"Gateway {'/'.join(place)}: {why}" for place, (_, why) in zip(places, asked, strict=True) if why
    ]
    return Way(routes, gateways, tuple(unread))


def _read(api: KubeApi, path: str) -> tuple[Json | None, str]:
    """What is there, or why that is not known to this account."""
    try:
        return api.get_or_none(path), ""
    except KubeError as error:
        if error.status != _FORBIDDEN:
            raise
        return None, str(error)


def down(found: Way, app: str) -> Iterator[str]:
    """Why nobody is answered from there."""
    if "HTTPRoute" in found.routes:
        yield from _refused("HTTPRoute", found.routes["HTTPRoute"], app)
    for place, gateway in found.gateways.items():
        if gateway is None:
            yield f"there is no Gateway {'/'.join(place)}"
        elif not _addresses(gateway):
            yield f"Gateway {'/'.join(place)} has no address{_unprogrammed(gateway)}"


def degraded(found: Way, app: str) -> Iterator[str]:
    """What is not as it is to be, though there is an address."""
    for place, gateway in found.gateways.items():
        if gateway is not None and _addresses(gateway) and (why := _unprogrammed(gateway)):
            yield f"Gateway {'/'.join(place)}{why.replace(', and', '', 1)}"
    for kind, route in found.routes.items():
        if kind != "HTTPRoute":
            yield from _refused(kind, route, app)
        for parent in _stati(route):
            resolved = condition({"status": parent}, "ResolvedRefs")
            if resolved.get("status") == "False":
                yield f"{kind} {app} leads to what is not there: {_why(resolved)}"


def told(found: Way) -> list[Json]:
    """The Gateways, for machines. What could not be read is not among them."""
    return [
        {
            "namespace": place[0], "name": place[1], "addresses": _addresses(gateway or {}),
            "programmed": gateway is not None and _is(gateway, "Programmed"),
        }
        for place, gateway in found.gateways.items()
    ]  # fmt: skip


def endpoint(found: Way) -> tuple[str, str] | None:
    """The address that clients ask, with its scheme, and the Gateway in words; None where none leads here. The address is empty
    where there is none yet.
    """
    route = found.routes.get("HTTPRoute")
    for parent in _parents(route):
        gateway = found.gateways.get(_place(route, parent))
        if gateway is None:
            continue
        listeners = [one for one in gateway["spec"].get("listeners", []) if _takes(one, parent)]
        listener: Json = next(iter(listeners), {})
        secure = listener.get("protocol") == "HTTPS"
        port = listener.get("port", 80)
        host = next(iter([*((route or {}).get("spec", {}).get("hostnames") or []), *_addresses(gateway)]), "")
        shown = "" if port == (443 if secure else 80) else f":{port}"
        address = f"{'https' if secure else 'http'}://{host}{shown}" if _addresses(gateway) else ""
        return address, f"Gateway {'/'.join(_place(route, parent))}"
    return None


def lines(found: Way) -> Iterator[str]:
    """Of the Gateways, for people."""
    for place, gateway in found.gateways.items():
        if gateway is None:
            yield f"gateway     {'/'.join(place)}: none"
            continue
        address = ", ".join(_addresses(gateway)) or "no address"
        yield f"gateway     {'/'.join(place)}: {address}{_unprogrammed(gateway) or ', programmed'}"
    for why in found.unread:
        yield f"gateway     not read: {why}"


def _refused(kind: str, route: Json | None, app: str) -> Iterator[str]:
    """Why no Gateway has this route."""
    if route is None:
        yield f"there is no {kind} {app}: no Gateway leads here"
        return
    accepted = [condition({"status": parent}, "Accepted") for parent in _stati(route)]
    if not any(one.get("status") == "True" for one in accepted):
        why = next((f": {_why(one)}" for one in accepted if one.get("status") == "False"), " yet")
        yield f"no Gateway takes {kind} {app}{why}"


def _stati(route: Json | None) -> list[Json]:
    """Of a route, by its Gateways and who manages these."""
    return list((route or {}).get("status", {}).get("parents") or [])


def _parents(route: Json | None) -> list[Json]:
    parents = (route or {}).get("spec", {}).get("parentRefs") or []
    return [one for one in parents if one.get("kind", "Gateway") == "Gateway"]


def _place(route: Json | None, parent: Json) -> Place:
    return parent.get("namespace") or (route or {})["metadata"]["namespace"], parent["name"]


def _takes(listener: Json, parent: Json) -> bool:
    if parent.get("sectionName"):
        return bool(listener.get("name") == parent["sectionName"])
    return listener.get("protocol") in ("HTTP", "HTTPS")


def _addresses(gateway: Json) -> list[str]:
    return [one["value"] for one in gateway.get("status", {}).get("addresses") or [] if one.get("value")]


def _is(gateway: Json, kind: str) -> bool:
    return bool(condition(gateway, kind).get("status") == "True")


def _unprogrammed(gateway: Json) -> str:
    """That it is not, and why, as the end of a sentence; empty where it is."""
    if _is(gateway, "Programmed"):
        return ""
    why = _why(condition(gateway, "Programmed"))
    return f", and is not programmed{f': {why}' if why else ''}"


def _why(of: Mapping[str, Any]) -> str:
    return str(of.get("message") or of.get("reason") or "")
