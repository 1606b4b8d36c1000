"""The parts of other projects' kinds that are used here, as schemas: Gateway API v1, Prometheus Operator v1."""

from typing import Any


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}
_WEIGHT = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_PATH = _object(type={"enum": ["Exact", "PathPrefix", "RegularExpression"]}, value=_TEXT)
HTTP_ROUTE = _object(
    ("spec",),
    spec=_object(
        parentRefs=_array(_object(("name",), name=_TEXT, namespace=_TEXT, kind=_TEXT, group=_TEXT)),
        hostnames=_array(_TEXT),
        rules=_array(
            _object(
                matches=_array(_object(path=_PATH)),
                backendRefs=_array(_object(("name",), name=_TEXT, port=_PORT, weight=_WEIGHT, kind=_TEXT)),
                timeouts=_object(request=_TEXT),
            )
        ),
    ),
    status=_object(parents=_array({**_object(), "additionalProperties": True})),
)
_OPERATOR = {"enum": ["In", "NotIn", "Exists", "DoesNotExist"]}
_SELECTOR = _object(
    matchLabels=_TEXTS,
    matchExpressions=_array(_object(("key", "operator"), key=_TEXT, operator=_OPERATOR, values=_array(_TEXT))),
)
_SECRET_KEY = _object(("name", "key"), name=_TEXT, key=_TEXT)
_SCRAPED = _object(
    ("port",),
    port=_TEXT,
    path=_TEXT,
    interval=_TEXT,
    authorization=_object(type=_TEXT, credentials=_SECRET_KEY),
    relabelings=_array(_object(targetLabel=_TEXT, replacement=_TEXT)),
)
_LABELS = {name: _array(_TEXT) for name in ("targetLabels", "podTargetLabels")}
_RULE = _object(
    ("alert", "expr"),
    **{"alert": _TEXT, "expr": _TEXT, "for": _TEXT, "labels": _TEXTS, "annotations": _TEXTS},
)
_GROUP = _object(("name", "rules"), name=_TEXT, interval=_TEXT, rules=_array(_RULE))
POD_MONITOR = _object(
    ("spec",),
    spec=_object(
        ("selector", "podMetricsEndpoints"),
        selector=_SELECTOR,
        podTargetLabels=_LABELS["podTargetLabels"],
        podMetricsEndpoints=_array(_SCRAPED),
    ),
)
SERVICE_MONITOR = _object(
    ("spec",), spec=_object(("selector", "endpoints"), selector=_SELECTOR, endpoints=_array(_SCRAPED), **_LABELS)
)
PROMETHEUS_RULE = _object(("spec",), spec=_object(("groups",), groups=_array(_GROUP)))
SCHEMAS: dict[tuple[str, str], dict[str, Any]] = {
    ("gateway.networking.k8s.io/v1", "HTTPRoute"): HTTP_ROUTE,
    ("monitoring.coreos.com/v1", "PodMonitor"): POD_MONITOR,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): SERVICE_MONITOR,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PROMETHEUS_RULE,
}
"""By apiVersion and kind."""
