"""Strict validation of custom resources by the schema of their CustomResourceDefinition: unknown fields are refused."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CRDS = Path(os.environ.get("HELIOGRAPH_CRDS", Path(__file__).resolve().parents[2] / ".." / "shared" / "crds"))
"""Folder with KServe's CustomResourceDefinitions; they are not part of this repository."""
INFERENCE_SERVICES = CRDS / "inferenceservices.serving.kserve.io.yaml"
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}
_ALWAYS = {"apiVersion", "kind", "metadata"}


@cache
def inference_service_schema() -> dict[str, Any] | None:
    """The schema of KServe's InferenceService; None where the file is not there."""
    if not INFERENCE_SERVICES.is_file():
        return None
    with INFERENCE_SERVICES.open(encoding="utf-8") as stream:
        document = yaml.load(stream, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    (version,) = [one for one in document["spec"]["versions"] if one["storage"]]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    return found


def faults(value: Any, schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """What is wrong with a value, by the keywords that structural schemas use."""
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str) or isinstance(value, bool):
            yield f"{path}: expected an integer or a string"
        return
    expected = schema.get("type")
    if expected in _TYPES:
        wrong_bool = isinstance(value, bool) and expected != "boolean"
        if not isinstance(value, _TYPES[expected]) or wrong_bool:
            yield f"{path}: expected {expected}"
            return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: expected one of {schema['enum']}; found {value!r}"
    if "minimum" in schema and value < schema["minimum"]:
        yield f"{path}: expected at least {schema['minimum']}"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"{path}: expected at most {schema['maximum']}"
    if isinstance(value, dict):
        yield from _object(value, schema, path)
    if isinstance(value, list):
        yield from _array(value, schema, path)


def _object(value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}.{name}: expected a value"
    for name, entry in value.items():
        if not path and name in _ALWAYS:
            continue
        if name in known:
            yield from faults(entry, known[name], f"{path}.{name}")
        elif isinstance(others, dict):
            yield from faults(entry, others, f"{path}.{name}")
        elif not (others or schema.get("x-kubernetes-preserve-unknown-fields")):
            yield f'unknown field "{path}.{name}"'


def _array(value: list[Any], schema: dict[str, Any], path: str) -> Iterator[str]:
    for place, entry in enumerate(value):
        yield from faults(entry, schema.get("items", {}), f"{path}[{place}]")
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys:
        found = [tuple(entry.get(key) for key in keys) for entry in value if isinstance(entry, dict)]
        if len(found) != len(set(found)):
            yield f"{path}: expected no two entries with the same {' and '.join(keys)}"
