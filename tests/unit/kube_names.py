"""Names of pods as Kubernetes makes them."""

from __future__ import annotations


def pod_name(deployment: str, template_hash: str = "5d4f7c9b8x", drawn: str = "x7k2p") -> str:
    """ReplicaSet's controller asks for ``<its name>-``, and the API server cuts that at 58 letters and draws five more."""
    assert len(drawn) == 5
    return f"{deployment}-{template_hash}-"[:58] + drawn
