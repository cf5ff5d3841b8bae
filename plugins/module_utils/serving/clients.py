"""Whose address the pods' proxy sees. Pure."""

from __future__ import annotations


def clients_hidden(service_type: str, external_traffic_policy: str) -> str:
    """What puts an address of its own in place of the clients', in words; empty where nothing does.

    It is a Gateway's load balancer, or a node that passes requests on
    (https://kubernetes.io/docs/tutorials/services/source-ip/).
    """
    if service_type == "Gateway":
        return "a Gateway"
    passed_on = service_type in ("LoadBalancer", "NodePort") and external_traffic_policy == "Cluster"
    return "serving_external_traffic_policy Cluster" if passed_on else ""
