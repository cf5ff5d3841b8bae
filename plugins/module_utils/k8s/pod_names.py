"""What Kubernetes calls the pods of a Deployment, for whoever sees only their names, as Prometheus does. Pure.

A pod's is its ReplicaSet's (the Deployment's, ``-``, a hash of up to ten letters), ``-``, and five letters. What stands before the
five is cut at 58, the name of a Deployment of more than 46 included.
https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apiserver/pkg/storage/names/generate.go
"""

from __future__ import annotations

_HASH, _RANDOM = 10, 5
_CUT = 63 - _RANDOM
_LETTER = "[b-df-hj-np-tv-z2-9]"
"""Neither has a vowel. So no canary (``NAME-canary``) and no holder (``NAME-hold``) is taken for a pod of NAME, however cut."""


def pods_of(deployment: str) -> str:
    """A regular expression (RE2's and Python's) that the names of a Deployment's pods match as a whole, and no other's."""
    before = f"{deployment}-"
    room = _CUT - len(before)
    if room < 0:
        return f"{_escaped(before[:_CUT])}{_LETTER}{{{_RANDOM}}}"
    whole = min(_HASH, room - 1)
    names = [f"{_LETTER}{{1,{whole}}}-{_LETTER}{{{_RANDOM}}}"] if whole > 0 else []
    if room <= _HASH:
        names.append(f"{_LETTER}{{{room + _RANDOM}}}")
    tail = "|".join(names)
    return f"{_escaped(before)}{tail if len(names) == 1 else f'({tail})'}"


def _escaped(name: str) -> str:
    return name.replace(".", "[.]")
