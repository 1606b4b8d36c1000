"""What a row may do to its graph: keep one task, one surface, or make the items of some owners cold.

Every change is a plain dataclass that takes a graph and answers another one; nodes keep their numbers and impressions
their keys.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import torch
from torch import Tensor

from benchmarks.studies.buckets import earlier_events
from benchmarks.studies.errors import StudyError
from models.graph.schema import EdgeType, FeatureColumn
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors, NodeTensors, Seeds, tensors_of

BEHAVIOUR = ("engagement", "affinity")
"""Kinds of edges that members make; intrinsic ones say what things are."""
_KINDS = ("number", "category")
NOTHING = "(?!)"
"""A pattern that matches no name."""


class Change(Protocol):
    """A change of a graph; a dataclass, whose fields become part of the fit's digest."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """The changed graph."""


def validated_longer(graph: TemporalGraph) -> TemporalGraph:
    """The graph whose validation window lasts until the end of the gate window, which is then empty.

    A product keeps the gate's days from its models, to judge them on; a study judges on the test window alone and may
    validate, and in the end learn, on all days before it.
    """
    schema, names = graph.schema, list(graph.seeds.windows)
    end = schema.window("gate").end
    spans = {
        "validate": replace(schema.window("validate"), end=end),
        "gate": replace(schema.window("gate"), start=end),
    }
    windows = tuple(spans.get(span.name, span) for span in schema.seeds.windows)
    window = graph.seeds.window.clone()
    window[window == names.index("gate")] = names.index("validate")
    return replace(
        graph,
        schema=replace(schema, seeds=replace(schema.seeds, windows=windows)),
        seeds=replace(graph.seeds, window=window),
        manifest={**graph.manifest, "digest": f"{graph.manifest['digest']}+gate"},
    )


@dataclass(frozen=True)
class OneTask:
    """The graph with one task alone, which is then the primary one."""

    task: str

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """The graph whose labels have one column."""
        names = [task.name for task in graph.schema.seeds.tasks]
        if self.task not in names:
            raise StudyError(f"task: expected one of {', '.join(names)}; found {self.task!r}")
        place = names.index(self.task)
        tasks = (replace(graph.schema.seeds.tasks[place], weight=1.0, primary=True),)
        schema = replace(graph.schema, seeds=replace(graph.schema.seeds, tasks=tasks))
        seeds = replace(graph.seeds, labels=graph.seeds.labels[:, place : place + 1].contiguous())
        return replace(graph, schema=schema, seeds=seeds)


@dataclass(frozen=True)
class OneSurface:
    """The graph as if there were one surface alone: its impressions, its edges, and what things are."""

    surface: str
    attribute: str = "surface"
    """The edges' attribute that says on which surface they came about."""
    elsewhere: str = r"^(?!.*surface)"
    """Pattern of the names of impression features that tell of other surfaces: they are missing here."""
    elsewhere_nodes: str = NOTHING
    """The same of the nodes' features."""

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """The graph without what happened elsewhere.

        Behaviour (engagement, affinity) is the surface's own where the edge's attribute says so, or where its domain
        has the surface's name.
        """
        surfaces = graph.schema.seeds.surfaces
        if self.surface not in surfaces:
            raise StudyError(f"surface: expected one of {', '.join(surfaces)}; found {self.surface!r}")
        edges = {}
        for edge in graph.schema.edges:
            tensors = graph.edges[edge.name]
            if edge.kind in BEHAVIOUR and edge.domain != self.surface:
                edges[edge.name] = keep_edges(tensors, self._own(edge, tensors))
            else:
                edges[edge.name] = tensors
        rows = torch.nonzero(graph.seeds.surface == surfaces.index(self.surface)).flatten()
        seeds = blank_seeds(keep_seeds(graph.seeds, rows), graph.schema.seeds.features, self.elsewhere)
        nodes = {
            node.name: blank_nodes(graph.nodes[node.name], node.features, self.elsewhere_nodes)
            for node in graph.schema.nodes
        }
        return replace(graph, edges=edges, nodes=nodes, seeds=seeds)

    def _own(self, edge: EdgeType, tensors: EdgeTensors) -> Tensor:
        """(rows,) bool: edges that came about on the surface."""
        coded = [column for column in edge.attributes if column.kind == "category"]
        for place, column in enumerate(coded):
            if column.name == self.attribute and self.surface in column.vocabulary:
                return tensors.categories[:, place] == column.vocabulary.index(self.surface) + 1
        return torch.zeros_like(tensors.time, dtype=torch.bool)


@dataclass(frozen=True)
class ColdItems:
    """The graph as if a share of all owners (authors, say) were new: nobody ever met their items.

    Their items lose every impression before ``window`` and all behaviour, earlier and later. They keep what they are:
    intrinsic edges and the node's features, but for those that ``history`` names.
    """

    owner: str
    """The node type whose items are held out; reached from the item by an intrinsic edge."""
    window: str = "test"
    share: float = 0.1
    history: str = NOTHING
    """Pattern of the names of the item's features that tell of behaviour: they are missing for these items."""
    counters: str = "^item_"
    """Pattern of the names of impression features that count what happened to the item: for these items they are as
    for items at their first impressions (the median of the train rows whose items had been met least)."""

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        """The graph in which these items are cold."""
        cold, schema, item = self.cold(graph), graph.schema, graph.schema.seeds.item
        edges = {}
        for edge in schema.edges:
            tensors = graph.edges[edge.name]
            met = torch.zeros_like(tensors.time, dtype=torch.bool)
            if edge.kind in BEHAVIOUR and edge.source == item:
                met |= torch.repeat_interleave(cold, tensors.offsets.diff())
            if edge.kind in BEHAVIOUR and edge.target == item:
                met |= cold[tensors.target.long()]
            edges[edge.name] = keep_edges(tensors, ~met)
        first = _first_impressions(graph)
        start = schema.window(self.window).start
        rows = torch.nonzero(~self.rows(graph) | (graph.seeds.time >= start)).flatten()
        seeds = keep_seeds(graph.seeds, rows)
        held = self.rows(replace(graph, seeds=seeds))
        numbers = _at_first(graph, first, graph.seeds.numbers)
        seeds = blank_seeds(seeds, schema.seeds.features, self.counters, held, numbers)
        node = schema.node(item)
        rows_of = graph.nodes[item]
        versions = torch.repeat_interleave(cold, rows_of.version_offsets.diff())
        nodes = {**graph.nodes, item: blank_nodes(rows_of, node.features, self.history, versions)}
        return replace(graph, edges=edges, nodes=nodes, seeds=seeds)

    def cold(self, graph: TemporalGraph) -> Tensor:
        """(items,) bool: the items of the held-out owners, which are drawn by the hash of their keys."""
        owned, item = self._owned(graph), graph.schema.seeds.item
        buckets = 1_000_000
        held = graph.nodes[self.owner].id_hash % buckets < round(self.share * buckets)
        edges = graph.edges[owned.name]
        cold = torch.zeros(graph.schema.node(item).count, dtype=torch.bool, device=graph.device)
        source = torch.repeat_interleave(edges.offsets.diff())
        cold[source[held[edges.target.long()]]] = True
        return cold

    def rows(self, graph: TemporalGraph) -> Tensor:
        """(seeds,) bool: impressions of cold items."""
        cold, item = self.cold(graph), graph.seeds.item
        return torch.where(item >= 0, cold[item.clamp(min=0)], False)

    def _owned(self, graph: TemporalGraph) -> EdgeType:
        item = graph.schema.seeds.item
        found = [e for e in graph.schema.edges if (e.source, e.target, e.kind) == (item, self.owner, "intrinsic")]
        if not found:
            kinds = sorted({e.target for e in graph.schema.edges if e.source == item and e.kind == "intrinsic"})
            raise StudyError(
                f"owner: expected a node type that an intrinsic edge joins with {item!r} ({', '.join(kinds)}); found "
                f"{self.owner!r}"
            )
        return found[0]


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


def blank_seeds(
    seeds: Seeds,
    features: tuple[FeatureColumn, ...],
    pattern: str,
    rows: Tensor | None = None,
    numbers: Tensor | None = None,
) -> Seeds:
    """Seeds whose features that ``pattern`` names are missing in ``rows`` (n,) bool (None = all).

    ``numbers`` (numbers,): what numbers become instead of missing.
    """
    by_number, by_category = _named(features, pattern)
    chosen = torch.ones_like(seeds.time, dtype=torch.bool) if rows is None else rows
    blank = torch.full_like(seeds.numbers[:1], torch.nan).flatten() if numbers is None else numbers
    at_number = chosen.unsqueeze(1) & by_number.to(chosen.device)
    at_category = chosen.unsqueeze(1) & by_category.to(chosen.device)
    return replace(
        seeds,
        numbers=torch.where(at_number, blank, seeds.numbers),
        frozen_numbers=torch.where(at_number, blank, seeds.frozen_numbers),
        categories=seeds.categories.masked_fill(at_category, 0),
        frozen_categories=seeds.frozen_categories.masked_fill(at_category, 0),
    )


def blank_nodes(
    node: NodeTensors, features: tuple[FeatureColumn, ...], pattern: str, versions: Tensor | None = None
) -> NodeTensors:
    """A node type whose features that ``pattern`` names are missing in ``versions`` (versions,) bool (None = all)."""
    by_number, by_category = _named(features, pattern)
    chosen = torch.ones_like(node.version_time, dtype=torch.bool) if versions is None else versions
    return replace(
        node,
        numbers=node.numbers.masked_fill(chosen.unsqueeze(1) & by_number.to(chosen.device), torch.nan),
        categories=node.categories.masked_fill(chosen.unsqueeze(1) & by_category.to(chosen.device), 0),
    )


def _named(features: tuple[FeatureColumn, ...], pattern: str) -> tuple[Tensor, Tensor]:
    """Which numbers and which categories have a name that the pattern is found in, (columns,) bool each."""
    named = {kind: [re.search(pattern, f.name) is not None for f in features if f.kind == kind] for kind in _KINDS}
    return torch.tensor(named["number"], dtype=torch.bool), torch.tensor(named["category"], dtype=torch.bool)


def _first_impressions(graph: TemporalGraph) -> Tensor:
    """(n,) int64: the train rows whose item had been met least since the first window began."""
    train = graph.seeds.rows("train")
    known = train[graph.seeds.item[train] >= 0]
    begun = graph.schema.seeds.windows[0].start
    met = earlier_events(graph, graph.schema.seeds.item, known, since=begun)
    return known[met == met.min()] if len(met) else known


def _at_first(graph: TemporalGraph, rows: Tensor, numbers: Tensor) -> Tensor:
    """(numbers,) float32: the median of each number over the rows; NaN where it is mostly missing, or without rows."""
    if not len(rows):
        return torch.full_like(numbers[:1], torch.nan).flatten()
    there = numbers[rows]
    return torch.where(there.isnan().float().mean(dim=0) > 0.5, torch.nan, there.nanmedian(dim=0).values)
