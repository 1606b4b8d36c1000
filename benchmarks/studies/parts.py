"""Parts of a graph: subsets of rows, and features set to missing or recomputed."""

import re
from dataclasses import replace

import pyarrow as pa
import torch
from torch import Tensor

from models.graph.schema import FeatureColumn
from models.graph.tensors import EdgeTensors, NodeTensors, Seeds, tensors_of

BEHAVIOUR = ("engagement", "affinity")
"""Edge kinds created by members' behavior, in contrast to intrinsic ones."""
NOTHING = "(?!)"
"""A pattern that matches nothing."""


def keep_edges(edges: EdgeTensors, kept: Tensor) -> EdgeTensors:
    """The rows ``kept`` (rows,) bool of one direction of an edge type."""
    before = torch.nn.functional.pad(kept.long().cumsum(0), (1, 0))
    weight = edges.weight[kept] if len(edges.weight) else edges.weight
    return EdgeTensors(
        offsets=before[edges.offsets],
        target=edges.target[kept],
        time=edges.time[kept],
        weight=weight,
        numbers=edges.numbers[kept],
        categories=edges.categories[kept],
    )


def keep_seeds(seeds: Seeds, rows: Tensor) -> Seeds:
    """The seeds ``rows`` (n,) int64, ascending."""
    kept = {name: value[rows] for name, value in tensors_of(seeds).items()}
    return replace(seeds, **kept, keys=seeds.keys.take(pa.array(rows.cpu().numpy())))  # type: ignore[arg-type]


def keep_versions(node: NodeTensors, kept: Tensor) -> NodeTensors:
    """The versions ``kept`` (versions,) bool of one node type."""
    before = torch.nn.functional.pad(kept.long().cumsum(0), (1, 0))
    return replace(
        node,
        version_offsets=before[node.version_offsets],
        version_time=node.version_time[kept],
        numbers=node.numbers[kept],
        categories=node.categories[kept],
        vectors=node.vectors[kept],
    )


def named(features: tuple[FeatureColumn, ...], pattern: str) -> set[str]:
    """The features whose names contain the pattern."""
    return {feature.name for feature in features if re.search(pattern, feature.name)}


def blank_seeds(
    seeds: Seeds,
    features: tuple[FeatureColumn, ...],
    names: set[str],
    rows: Tensor | None = None,
    numbers: Tensor | None = None,
) -> Seeds:
    """Seeds with the features ``names`` set to missing in ``rows``, (n,) bool (None = all).

    ``numbers`` (numbers,): values to use for numeric features instead of missing.
    """
    chosen = torch.ones_like(seeds.time, dtype=torch.bool) if rows is None else rows
    blank = seeds.numbers.new_full(seeds.numbers.shape[1:], torch.nan) if numbers is None else numbers
    at_number, at_category = (chosen.unsqueeze(1) & _places(features, names, kind) for kind in ("number", "category"))
    return replace(
        seeds,
        numbers=torch.where(at_number, blank, seeds.numbers),
        frozen_numbers=torch.where(at_number, blank, seeds.frozen_numbers),
        categories=seeds.categories.masked_fill(at_category, 0),
        frozen_categories=seeds.frozen_categories.masked_fill(at_category, 0),
    )


def blank_nodes(
    node: NodeTensors, features: tuple[FeatureColumn, ...], names: set[str], versions: Tensor | None = None
) -> NodeTensors:
    """A node type with the features ``names`` set to missing in ``versions``, (versions,) bool (None = all)."""
    chosen = torch.ones_like(node.version_time, dtype=torch.bool) if versions is None else versions
    at = {kind: chosen.unsqueeze(1) & _places(features, names, kind) for kind in ("number", "category", "vector")}
    return replace(
        node,
        numbers=node.numbers.masked_fill(at["number"], torch.nan),
        categories=node.categories.masked_fill(at["category"], 0),
        vectors=node.vectors.masked_fill(at["vector"], 0.0),
    )


def _places(features: tuple[FeatureColumn, ...], names: set[str], kind: str) -> Tensor:
    """(columns,) bool: the columns of one kind that belong to the features ``names``."""
    places = [feature.name in names for feature in features if feature.kind == kind for _ in range(feature.size)]
    return torch.tensor(places, dtype=torch.bool)
