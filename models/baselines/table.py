"""Seeds as one table of columns, as trees want them: the features that the networks read, unscaled."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.graph.sample import as_of_version
from models.graph.schema import FeatureColumn
from models.graph.store import TemporalGraph
from models.graph.tensors import NodeTensors
from models.nn.clock import local_clock
from models.training.batches import FRESH, FROZEN

_HOUR = 3_600_000_000


@dataclass(frozen=True)
class Table:
    """Columns of n seeds."""

    values: Tensor
    """(n, columns) float32; NaN where a number is missing, code 0 where a category is."""
    names: tuple[str, ...]
    categories: tuple[int, ...]
    """Which columns are categories."""


def table_of(graph: TemporalGraph, rows: Tensor, seen: Tensor) -> Table:
    """The seeds ``rows`` (n,): impression's features, the member's and the item's, surface, hour, age of the state.

    ``seen`` (n,) int64 out of FRESH, STALE and FROZEN of ``models.training.batches``, with the same meaning: the
    member's features as of the seed or as of ``frozen_time``, and counters as of the seed or all as of then.
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
    columns["hours since the member's state"] = ((time - member_time).double() / _HOUR).float()
    order = list(columns)
    places = tuple(order.index(name) for name in [*coded, "surface of the seed"])
    return Table(torch.stack(list(columns.values()), dim=1), tuple(order), places)


def _features(node: NodeTensors, version: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers, categories and vectors of versions (n,), -1 = none: NaN, code 0, NaN."""
    if not len(node.version_time):  # a row that stands in for all
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
    """The columns of the features of that kind; a vector has one a component."""
    own = [feature for feature in features if feature.kind == kind]
    if kind == "vector":
        return [f"{prefix}{feature.name} {part}" for feature in own for part in range(feature.size)]
    return [prefix + feature.name for feature in own]
