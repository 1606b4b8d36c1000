"""The part of Gateway API's HTTPRoute that is used here, as a schema."""

from typing import Any


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string"}
_WEIGHT = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_PATH = _object(type={"enum": ["Exact", "PathPrefix", "RegularExpression"]}, value=_TEXT)
_CONDITION = _object(
    ("type", "status"), type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT, observedGeneration={"type": "integer"}
)
SCHEMA = _object(
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
