"""The edges that a personalized PageRank (PPR) follows, and the scores it gives."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from models.graph.errors import QueryError
from models.graph.schema import BEHAVIOR, REVERSE, EdgeType, GraphSchema, PageRank
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
    behavior: bool = False
    """Whether a node that is read as cold has none of these edges."""

    def visible(self, node: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """The first visible row and the number of visible rows of each node as of each time, int64.

        ``node`` and ``time`` int64 of shapes that broadcast.
        """
        first, end = self.edges.visible(node, time, self.window)
        return first, end - first


class WalkGraph:
    """Edges to follow, of any types. Nodes of all types share one numbering, type by type."""

    def __init__(self, counts: Sequence[int], directions: Sequence[Direction]) -> None:
        """``counts``: the number of nodes of each type. Directions without edges are left out."""
        self.directions = [direction for direction in directions if len(direction.edges.time)]
        self.counts = list(counts)
        self.first = [sum(self.counts[:kind]) for kind in range(len(self.counts))]
        """By node type: the number of its first node."""
        self.nodes = sum(self.counts)
        """Nodes of all types."""

    @classmethod
    def whole(cls, graph: TemporalGraph, schema: GraphSchema) -> "WalkGraph":
        """All edge types of ``schema``, in the graph's numbers of nodes."""
        return cls([node.count for node in graph.schema.nodes], _directions(graph, schema.edges))

    def of_type(self, number: Tensor, kind: int) -> Tensor:
        """Whether nodes ``number`` (any shape) of the shared numbering are of the node type at position ``kind``."""
        return (number >= self.first[kind]) & (number < self.first[kind] + self.counts[kind])


class PageRankGraph(WalkGraph):
    """The edges that one PageRank of the schema follows."""

    def __init__(self, graph: TemporalGraph, rank: PageRank) -> None:
        """Raises QueryError if the graph lacks a node or edge type of the PageRank."""
        schema = graph.schema
        names = [node.name for node in schema.nodes]
        both = [name for base in rank.edges for name in (base, REVERSE + base)]
        _check(rank, "node type", [rank.source, rank.target], names)
        _check(rank, "edge type", both, [edge.name for edge in schema.edges])
        self.rank = rank
        self.source, self.target = names.index(rank.source), names.index(rank.target)
        super().__init__([node.count for node in schema.nodes], _directions(graph, list(map(schema.edge, both))))


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


def _directions(graph: TemporalGraph, edges: Sequence[EdgeType]) -> list[Direction]:
    names = [node.name for node in graph.schema.nodes]
    return [
        Direction(
            graph.edges[edge.name],
            edge.window,
            names.index(edge.source),
            names.index(edge.target),
            edge.kind in BEHAVIOR,
        )
        for edge in edges
    ]


def _check(rank: PageRank, thing: str, named: list[str], known: list[str]) -> None:
    for name in named:
        if name not in known:
            raise QueryError(
                f"PageRank {rank.name}: expected a {thing} of the graph ({', '.join(known)}); found {name!r}"
            )
