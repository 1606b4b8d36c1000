"""Seeds as one table for tree models, with the same features as the networks, unscaled."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.graph.sample import as_of_version
from models.graph.schema import FeatureColumn
from models.graph.store import TemporalGraph
from models.graph.tensors import NodeTensors
from models.nn.clock import local_clock
from models.time_units import HOUR
from models.training.batches import FRESH, FROZEN


@dataclass(frozen=True)
class Table:
    """The columns of n seeds."""

    values: Tensor
    """(n, columns) float32; missing numbers are NaN, missing categories code 0."""
    names: tuple[str, ...]
    categories: tuple[int, ...]
    """Positions of the category columns."""


def table_of(graph: TemporalGraph, rows: Tensor, seen: Tensor) -> Table:
    """The table of seeds ``rows`` (n,): features of impression, member and item, surface, hour, age of the state.

    ``seen`` (n,) int64 is FRESH, STALE or FROZEN of ``models.training.batches``: whether the member's features are as
    of the seed (FRESH) or ``frozen_time``, and counters as of the seed (FRESH, STALE) or ``frozen_time``.
    """
    seeds, schema = graph.seeds, graph.schema.seeds
    time, frozen = seeds.time[rows], (seen == FROZEN).unsqueeze(1)
    member_time = torch.where(seen == FRESH, time, seeds.frozen_time[rows])
    numbers = torch.where(frozen, seeds.frozen_numbers[rows], seeds.numbers[rows])
    categories = torch.where(frozen, seeds.frozen_categories[rows], seeds.categories[rows])
    groups = [("", schema.features, (numbers, categories, numbers[:, :0]))]
    sides = ((schema.member, seeds.member[rows], member_time), (schema.item, seeds.item[rows], time))
    for node, index, moment in sides:
        version = as_of_version(graph.nodes[node], index, moment)
        groups.append((f"{node} ", graph.schema.node(node).features, _features(graph.nodes[node], version)))
    columns: dict[str, Tensor] = {}
    coded = []
    for prefix, features, values in groups:
        for kind, found in zip(("number", "category", "vector"), values, strict=True):
            names = _names(prefix, features, kind)
            columns |= dict(zip(names, found.float().unbind(dim=1), strict=True))
            coded += names if kind == "category" else []
    hour, _ = local_clock(time, schema.timezone_offset)
    columns |= {"surface of the seed": seeds.surface[rows].float(), "local hour": hour.float()}
    columns["hours since the member's state"] = ((time - member_time).double() / HOUR).float()
    order = list(columns)
    places = tuple(order.index(name) for name in [*coded, "surface of the seed"])
    return Table(torch.stack(list(columns.values()), dim=1), tuple(order), places)


def _features(node: NodeTensors, version: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers, categories and vectors of versions (n,), -1 = none: NaN, code 0, NaN."""
    if not len(node.version_time):  # one dummy row to index
        version = torch.full_like(version, -1)
        numbers, categories, vectors = (
            values.new_zeros(1, values.shape[1]) for values in (node.numbers, node.categories, node.vectors)
        )
    else:
        numbers, categories, vectors = node.numbers, node.categories, node.vectors
    row, seen = version.clamp(min=0), (version >= 0).unsqueeze(1)
    return (
        torch.where(seen, numbers[row], torch.nan),
        torch.where(seen, categories[row], 0),
        torch.where(seen, vectors[row], torch.nan),
    )


def _names(prefix: str, features: tuple[FeatureColumn, ...], kind: str) -> list[str]:
    """The column names of the features of that kind; a vector has one per component."""
    own = [feature for feature in features if feature.kind == kind]
    if kind == "vector":
        return [f"{prefix}{feature.name} {part}" for feature in own for part in range(feature.size)]
    return [prefix + feature.name for feature in own]
