"""What ingest has decided of the keys that a spec leaves to the data: the spec with the values, and their reasons."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from models.configs.defaults import DECIDED, Decision
from models.spec.by_data import ID_BUCKETS, UNDECIDED, bucket_key
from models.spec.schema import Spec


def follows(spec: Spec) -> list[str]:
    """All keys that may follow the data."""
    return [*DECIDED, *(bucket_key(column.node) for _, column in spec.node_columns())]


def open_keys(spec: Spec) -> list[str]:
    """The keys that ingest has still to decide."""
    return [key for key, reason in spec.by_data.items() if reason == UNDECIDED]


def decided(spec: Spec, decisions: Mapping[str, Decision]) -> Spec:
    """The spec with these decisions for keys that are still open, and their reasons."""
    taken = {key: decisions[key] for key in open_keys(spec) if key in decisions}
    parts: dict[str, dict[str, Any]] = {"model": {}, "training": {}}
    nodes = dict(spec.nodes)
    for key, decision in taken.items():
        section, *path = key.split(".")
        if section == "nodes":
            nodes[path[0]] = nodes[path[0]].model_copy(update={ID_BUCKETS: decision.value})
        else:
            parts[section][path[0]] = decision.value
    return spec.model_copy(
        update={
            "nodes": nodes,
            "model": replace(spec.model, **parts["model"]),
            "training": replace(spec.training, **parts["training"]),
            "by_data": {**spec.by_data, **{key: decision.reason for key, decision in taken.items()}},
        }
    )
