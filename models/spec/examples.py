"""Examples for the reference page: from the specs in ``configs``, else as written here or beside the field."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig
from models.documents import DocumentError
from models.spec.schema import Spec
from models.yaml_documents import read_document

CONFIGS = Path(__file__).resolve().parent.parent.parent / "configs"
Examples = dict[tuple[type, str], Any]
"""(Part, key) -> a value of that key."""

NUMBERS: dict[type, dict[str, float]] = {
    ModelConfig: {
        **{"width": 64, "graph_tokens": 8, "layers": 2, "heads": 8, "head_width": 128, "dropout": 0.2},
        **{"id_dropout": 0.2, "cross_layers": 3, "pieces": 16, "long_term": 10, "trees_weight": 0.3},
        **{"impressions": 500},
    },
    TrainingConfig: {
        **{"patience": 2, "weight_decay": 0.1, "warmup": 0.1, "gradient_norm": 0.5, "history_events": 100_000},
        **{"long_term_weight": 0.2, "seed": 8, "accumulate": 4, "slice": 4, "slice_hours": 6.0, "shared_history": 64},
        **{"cold_share": 0.15, "cold_member_share": 0.15, "task_tolerance": 0.005, "codes_learning_rate": 0.05},
        **{"first_neighbours": 4, "neighbour_stride": 10, "most_neighbours": 100, "neighbour_tolerance": 0.001},
        **{"tolerance_decay": 0.8},
    },
}
"""Examples of the numbers that no file of ``configs`` sets; these dataclasses cannot carry pydantic's ``examples``."""


def examples() -> Examples:
    """One example of every key of every part."""
    found: Examples = {}
    for name in ("professional", "kuairand"):
        document = read_document((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
        for place, value in _given(Spec, document):
            found.setdefault(place, value)
    for part in parts():
        for key, value in _written(part):
            found.setdefault((part, key), value)
    return found


def parts() -> list[type]:
    """Every part of the schema, from ``Spec`` on, in the order in which its keys name them."""
    found: list[type] = [Spec]
    for part in found:  # grows while it is read
        for kind in field_types(part).values():
            found += [inner for inner in parts_of(kind) if inner not in found]
    return found


def field_types(part: type) -> dict[str, Any]:
    """The type of each key of a part; inherited keys come last."""
    if not issubclass(part, BaseModel):
        hints = get_type_hints(part)
        return {field.name: hints[field.name] for field in dataclasses.fields(part)}  # type: ignore[arg-type]
    ordered = sorted(part.model_fields.items(), key=lambda item: item[0] not in part.__annotations__)
    return {field.alias or name: field.annotation for name, field in ordered}


def parts_of(kind: Any) -> Iterator[type]:
    """The parts that a type mentions."""
    if isinstance(kind, type) and (issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)):
        yield kind
    for inner in get_args(kind):
        yield from parts_of(inner)


def example_text(value: Any, depth: int = 2) -> str:
    """A value as YAML in one line; what is deeper or longer than an example needs is left out as ``...``."""
    if isinstance(value, dict):
        if not depth:
            return "{...}"
        entries = [f"{key}: {example_text(inner, depth - 1)}" for key, inner in value.items()]
        most = 2 if any(isinstance(inner, dict) for inner in value.values()) else 3
        return "{" + ", ".join(entries[:most] + ["..."] * (len(entries) > most)) + "}"
    if isinstance(value, list):
        texts = [example_text(inner, depth - 1) for inner in value]
        return "[" + ", ".join(texts[:4] + ["..."] * (len(texts) > 4)) + "]"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value)
    return "null" if value is None else json.dumps(value)


def _is_plain(text: str) -> bool:
    """Whether YAML reads the text as itself without quotes."""
    try:
        return not set(text) & set("[]{},:#") and read_document(text) == text
    except DocumentError:
        return False


def _given(part: type, document: Mapping[str, Any]) -> Iterator[tuple[tuple[type, str], Any]]:
    """What a document gives for each key of a part, and of the parts below it."""
    for key, kind in field_types(part).items():
        if key not in document:
            continue
        yield (part, key), document[key]
        mapping = get_origin(kind) is dict
        for inner in parts_of(kind):
            for one in document[key].values() if mapping else [document[key]]:
                yield from _given(inner, one)


def _written(part: type) -> Iterator[tuple[str, Any]]:
    """The examples beside a part's fields; of a switch or a choice, another value than the default."""
    if issubclass(part, BaseModel):
        for name, field in part.model_fields.items():
            if field.examples:
                yield field.alias or name, field.examples[0]
            elif get_origin(field.annotation) is Literal:
                yield field.alias or name, get_args(field.annotation)[0]
        return
    yield from NUMBERS[part].items()
    for field_ in dataclasses.fields(part):  # type: ignore[arg-type]
        if isinstance(field_.default, bool):
            yield field_.name, not field_.default
        elif isinstance(field_.default, str):
            kind = get_type_hints(part)[field_.name]
            yield field_.name, next(choice for choice in get_args(kind) if choice != field_.default)
