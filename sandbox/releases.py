"""The releases of Kubernetes that the sandbox offers, and which of GKE's release channels has which. Pure.

One of each minor version that GKE has. Channels are staggered as Google's are: a minor version comes to RAPID first, can be
had in REGULAR before it is the default there, and reaches STABLE last
(https://cloud.google.com/kubernetes-engine/docs/concepts/release-channels).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Oldest first.
RELEASES = ("1.34.4", "1.35.4", "1.36.3", "1.37.2")
# What goes with the default release into one build, so that what they share is compiled once: those of that
# release's client-go. They serve clusters of every release: DNS and the metrics API are the same in all.
COREDNS = "1.14.7"
METRICS_SERVER = "0.9.0"
# What brings metrics, for who asks for it: the library of GKE's adapter, and what is built as it was released.
CUSTOM_METRICS = "1.36.0"
PROMETHEUS_ADAPTER = "0.12.0"
KUBE_STATE_METRICS = "2.18.0"
KEDA = "2.21.0"
_OF_GOOGLE = "-gke.1000000"


@dataclass(frozen=True)
class Channel:
    """What a release channel has, as GKE spells versions. ``valid``: newest first."""

    default: str
    valid: tuple[str, ...]


def gke_version(release: str) -> str:
    """1.36.3 as GKE calls it."""
    return f"{release}{_OF_GOOGLE}"


def release_of(version: str) -> str:
    """The Kubernetes release behind a version of GKE's. Raises ``ValueError`` for one that is not offered."""
    release = version.removesuffix(_OF_GOOGLE)
    if release not in RELEASES:
        raise ValueError(f"the sandbox has Kubernetes {', '.join(RELEASES)}, not {version}")
    return release


def _channel(default: int, newest: int) -> Channel:
    """The channel whose default and newest minor versions are these; older ones are had until their support ends."""
    versions = {int(release.split(".")[1]): gke_version(release) for release in RELEASES}
    return Channel(
        versions[default],
        tuple(versions[minor] for minor in sorted(versions, reverse=True) if minor <= newest),
    )


CHANNELS: Mapping[str, Channel] = {
    "RAPID": _channel(37, 37),
    "REGULAR": _channel(36, 37),
    "STABLE": _channel(35, 36),
    "EXTENDED": _channel(36, 37),
}
# What a cluster gets for which nothing is asked: new clusters are in REGULAR.
DEFAULT = release_of(CHANNELS["REGULAR"].default)
