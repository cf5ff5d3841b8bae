"""Kinds that GKE brings, with the fields that their documentation has; others are dropped, as everywhere.

    python -m sandbox.kube.crds

prints them as JSON, for who wants them in another cluster.
"""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]


def _object(required: tuple[str, ...] = (), **properties: Json) -> Json:
    return {"type": "object", "properties": properties, **({"required": list(required)} if required else {})}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer", "format": "int32", "minimum": 0}
_GENERATION: Json = {"type": "integer", "format": "int64"}
_TEXTS: Json = {"type": "object", "additionalProperties": _TEXT}
_AMOUNTS: Json = {"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}}
_NAMED = _object(("name",), name=_TEXT)
_CONDITION = _object(
    ("type", "status", "reason", "message", "lastTransitionTime"),
    type=_TEXT, status=_TEXT, reason={**_TEXT, "minLength": 1}, message=_TEXT, observedGeneration=_GENERATION,
    lastTransitionTime={**_TEXT, "format": "date-time"},
)  # fmt: skip
_CONDITIONS = {**_list(_CONDITION), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}


def _definition(group: str, kind: str, spec: Json, status: Json | None = None) -> Json:
    plural = f"{kind.lower()}s"
    parts = {"spec": spec, **({"status": status} if status else {})}
    version = {
        "name": "v1beta1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _object(("spec",), **parts)},
        **({"subresources": {"status": {}}} if status else {}),
    }
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


# https://cloud.google.com/kubernetes-engine/docs/reference/crds/capacitybuffer
CAPACITY_BUFFER = _definition(
    "autoscaling.x-k8s.io",
    "CapacityBuffer",
    {
        **_object(
            provisioningStrategy={**_TEXT, "default": "buffer.x-k8s.io/active-capacity"},
            podTemplateRef=_NAMED,
            scalableRef=_object(("kind", "name"), apiGroup=_TEXT, kind=_TEXT, name=_TEXT),
            replicas=_NUMBER, percentage=_NUMBER, limits=_AMOUNTS,
        ),
        "x-kubernetes-validations": [
            {
                "rule": "!has(self.podTemplateRef) || has(self.replicas) || has(self.limits)",
                "message": "with podTemplateRef replicas or limits must be set",
            },
            {
                "rule": "!(has(self.podTemplateRef) && has(self.scalableRef))",
                "message": "only one of podTemplateRef and scalableRef can be set",
            },
        ],
    },
    _object(
        podTemplateRef=_NAMED, podTemplateGeneration=_GENERATION, replicas=_NUMBER, provisioningStrategy=_TEXT,
        conditions=_CONDITIONS,
    ),
)  # fmt: skip

_GAUGE = _object(
    ("name",),
    name={**_TEXT, "maxLength": 63, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$"},
    prometheusMetricName=_TEXT, loadBalancing=_object(enabled={"type": "boolean"}),
)  # fmt: skip
_CONTAINER = _object(
    ("endpoint", "metrics"),
    endpoint=_object(("port",), port={**_NUMBER, "maximum": 65535}, path={**_TEXT, "default": "/metrics"}),
    metrics=_list(_object(("gauge",), gauge=_GAUGE)),
)
# https://cloud.google.com/kubernetes-engine/docs/how-to/autoscale-using-metrics
AUTOSCALING_METRIC = _definition(
    "autoscaling.gke.io",
    "AutoscalingMetric",
    _object(
        ("metrics",),
        metrics=_list(
            _object(
                pod=_object(
                    ("selector", "containers"),
                    selector=_object(matchLabels=_TEXTS),
                    containers=_list(_CONTAINER),
                ),
                promql=_object(("name", "query"), name=_TEXT, query=_TEXT),
            )
        ),
    ),
)

if __name__ == "__main__":
    print(json.dumps([CAPACITY_BUFFER, AUTOSCALING_METRIC]))
