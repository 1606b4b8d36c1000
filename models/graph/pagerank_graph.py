"""The edges that a personalized PageRank (PPR) follows, and the scores it gives."""

from dataclasses import dataclass

from torch import Tensor

from models.graph.errors import QueryError
from models.graph.schema import REVERSE, PageRank
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors


@dataclass(frozen=True)
class Direction:
    """One direction of an edge type that the PageRank follows."""

    edges: EdgeTensors
    window: int | None
    """Microseconds; None = no limit."""
    source: int
    """Position of the source's node type in the schema."""
    target: int
    """Position of the target's node type."""

    def visible(self, node: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """The first visible row and the number of visible rows of each node as of each time, int64.

        ``node`` and ``time`` int64 of shapes that broadcast.
        """
        first, end = self.edges.visible(node, time, self.window)
        return first, end - first


class PageRankGraph:
    """The edges that one PageRank follows. Nodes of all types share one numbering, type by type."""

    def __init__(self, graph: TemporalGraph, rank: PageRank) -> None:
        """Raises QueryError if the graph lacks a node or edge type of the PageRank."""
        schema = graph.schema
        names = [node.name for node in schema.nodes]
        both = [name for base in rank.edges for name in (base, REVERSE + base)]
        _check(rank, "node type", [rank.source, rank.target], names)
        _check(rank, "edge type", both, [edge.name for edge in schema.edges])
        self.rank = rank
        self.source, self.target = names.index(rank.source), names.index(rank.target)
        self.directions = [
            Direction(graph.edges[edge.name], edge.window, names.index(edge.source), names.index(edge.target))
            for edge in map(schema.edge, both)
            if len(graph.edges[edge.name].time)
        ]
        self.counts = [node.count for node in schema.nodes]
        self.first = [sum(self.counts[:kind]) for kind in range(len(names))]
        """By node type: the number of its first node."""
        self.nodes = sum(self.counts)
        """Nodes of all types."""

    def of_type(self, number: Tensor, kind: int) -> Tensor:
        """Whether nodes ``number`` (any shape) of the shared numbering are of the node type at position ``kind``."""
        return (number >= self.first[kind]) & (number < self.first[kind] + self.counts[kind])


@dataclass(frozen=True)
class Scores:
    """The scored nodes of the target type, sorted by (seed, node). Scores are integers, so that sums are exact."""

    seed: Tensor
    """(n,) int64: position in the batch."""
    node: Tensor
    """(n,) int64: index within its type."""
    score: Tensor
    """(n,) int64, above 0."""
    moment: Tensor
    """(n,) int64 microseconds: the latest time of an edge by which the node was reached."""
    whole: Tensor
    """(batch,) int64: the score that equals probability 1, by seed."""


def _check(rank: PageRank, thing: str, named: list[str], known: list[str]) -> None:
    for name in named:
        if name not in known:
            raise QueryError(
                f"PageRank {rank.name}: expected a {thing} of the graph ({', '.join(known)}); found {name!r}"
            )
