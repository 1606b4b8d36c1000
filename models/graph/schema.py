"""Schema of a graph as dataclasses stored as JSON: model and sampler need no spec besides it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

REVERSE = "rev_"
"""Prefix of the reverse of an edge type."""

Strategy = Literal["most_recent", "uniform", "weighted"]
"""Which of a node's visible edges are sampled: the latest, uniformly random ones, or random ones in proportion to
weight; always without replacement."""


@dataclass(frozen=True)
class FeatureColumn:
    """One feature. ``vocabulary`` (categories only): value at position c has code c + 1; code 0 is missing."""

    name: str
    kind: Literal["number", "category", "vector"]
    size: int = 1
    vocabulary: tuple[str, ...] = ()
    behavior: bool = False
    """It comes from what happened to the node (the spec's ``behavior``): missing where the node is read as cold."""


BEHAVIOR = ("engagement", "affinity")
"""Kinds of edges that come from behavior; a node that is read as cold has none."""


@dataclass(frozen=True)
class NodeType:
    """One node type. Nodes are numbered 0..count-1 in the order of their keys."""

    name: str
    count: int
    features: tuple[FeatureColumn, ...] = ()
    id_buckets: int = 0
    semantic: tuple[tuple[str, ...], ...] = ()
    """Categories that are residual codes, the last ones of its features: for each semantic ID those of its levels."""


@dataclass(frozen=True)
class EdgeType:
    """One direction of an edge type. ``window`` is in microseconds; ``fan_out`` holds neighbors per hop."""

    name: str
    source: str
    target: str
    kind: Literal["engagement", "affinity", "intrinsic"]
    domain: str
    fan_out: tuple[int, ...]
    window: int | None = None
    strategy: Strategy = "most_recent"
    """Which of the visible edges a tree samples."""
    attributes: tuple[FeatureColumn, ...] = ()
    """Numbers and categories of each edge besides its time and weight; the same in both directions."""


@dataclass(frozen=True)
class PageRank:
    """A branch without stored edges: the nodes of one type with the highest personalized PageRank as of a seed.

    It starts at nodes of type ``source`` at the first hop and follows ``edges`` in both directions.
    """

    name: str
    source: str
    target: str
    edges: tuple[str, ...]
    """Names of the edge types to follow, each with its reverse."""
    fan_out: int
    method: Literal["walk", "push"]
    """walk: short random walks from the seed (2-hop PPR); push: forward push (multi-hop PPR)."""
    restart: float = 0.25
    """Probability of returning to the seed at a step (alpha)."""
    walks: int = 100
    """walk: number of walks from a seed."""
    steps: int = 2
    """walk: most edges of a walk."""
    epsilon: float = 1e-4
    """push: a node is pushed while its residual is at least this times its number of visible edges."""

    def as_edge(self) -> EdgeType:
        """The PageRank as an edge type of one hop with the scores as weights, as the model sees it."""
        return EdgeType(self.name, self.source, self.target, "affinity", domain="", fan_out=(self.fan_out,))


@dataclass(frozen=True)
class TaskColumn:
    """One task, in the order of the label columns."""

    name: str
    weight: float
    primary: bool


@dataclass(frozen=True)
class SampledTask:
    """A task for which the sampled seeds are negatives (docs/negatives.md)."""

    name: str
    real_rate: float | None
    """The share of positives among the candidates of the product; None = unknown."""


@dataclass(frozen=True)
class WindowSpan:
    """One window of the spec as a half-open interval, microseconds UTC; ``Seeds.window`` holds its position."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class SeedSchema:
    """A seed's columns besides its two nodes: surface, features of the impression (counters, context), labels."""

    member: str
    item: str
    surfaces: tuple[str, ...]
    features: tuple[FeatureColumn, ...]
    tasks: tuple[TaskColumn, ...]
    timezone_offset: int
    """Microseconds to add to UTC to get the product's local time (at the start of the train window)."""
    windows: tuple[WindowSpan, ...]
    """All windows in order (graph, train, validate, gate, test); all but the first have seeds."""
    exposures: str | None = None
    """The feature that counts all exposures of the item; where it is 0 or missing, the item is cold."""
    sampled: tuple[SampledTask, ...] = ()
    """The tasks whose negatives are sampled: without any, all seeds are impressions."""


@dataclass(frozen=True)
class GraphSchema:
    """The schema of a whole graph."""

    nodes: tuple[NodeType, ...]
    edges: tuple[EdgeType, ...]
    activity_edges: tuple[str, ...]
    """Engagement edge types that leave the member: an activity's ``edge`` is a position in this tuple."""
    seeds: SeedSchema
    pageranks: tuple[PageRank, ...] = ()

    def node(self, name: str) -> NodeType:
        """The node type of that name."""
        return next(node for node in self.nodes if node.name == name)

    def edge(self, name: str) -> EdgeType:
        """The edge type of that name."""
        return next(edge for edge in self.edges if edge.name == name)

    def window(self, name: str) -> WindowSpan:
        """The window of that name."""
        return next(window for window in self.seeds.windows if window.name == name)

    @property
    def branches(self) -> tuple[EdgeType, ...]:
        """All branches that a tree can have: the edge types, then each PageRank as an edge type of one hop."""
        return self.edges + tuple(rank.as_edge() for rank in self.pageranks)

    @property
    def targets(self) -> dict[str, str]:
        """By name of the branch: the node type it leads to."""
        return {branch.name: branch.target for branch in self.branches}

    @property
    def hops(self) -> int:
        """The depth of the deepest tree."""
        return max((len(branch.fan_out) for branch in self.branches), default=0)

    def branches_from(self, node: str, hop: int) -> tuple[EdgeType, ...]:
        """The branches of a tree at a node of that type at that hop (0 = at the seed)."""
        return tuple(b for b in self.branches if b.source == node and hop < len(b.fan_out) and b.fan_out[hop] > 0)

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        document = asdict(self)
        if not self.seeds.sampled:  # as before there were any: the same digest
            del document["seeds"]["sampled"]
        for node in document["nodes"]:
            if not node["semantic"]:
                del node["semantic"]
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "GraphSchema":
        """Read ``to_json``'s document. Raises KeyError, TypeError or ValueError for another one."""
        seeds = document["seeds"]
        return cls(
            nodes=tuple(_node(node) for node in document["nodes"]),
            edges=tuple(
                EdgeType(**{**e, "fan_out": tuple(e["fan_out"]), "attributes": _columns(e["attributes"])})
                for e in document["edges"]
            ),
            activity_edges=tuple(document["activity_edges"]),
            seeds=SeedSchema(
                **{
                    **seeds,
                    "surfaces": tuple(seeds["surfaces"]),
                    "features": _columns(seeds["features"]),
                    "tasks": tuple(TaskColumn(**task) for task in seeds["tasks"]),
                    "windows": tuple(WindowSpan(**window) for window in seeds["windows"]),
                    "sampled": tuple(SampledTask(**task) for task in seeds.get("sampled", ())),
                }
            ),
            pageranks=tuple(PageRank(**{**rank, "edges": tuple(rank["edges"])}) for rank in document["pageranks"]),
        )


def _node(document: dict[str, Any]) -> NodeType:
    semantic = tuple(tuple(codes) for codes in document.get("semantic", ()))
    return NodeType(**{**document, "features": _columns(document["features"]), "semantic": semantic})


def _columns(documents: list[dict[str, Any]]) -> tuple[FeatureColumn, ...]:
    return tuple(FeatureColumn(**{**column, "vocabulary": tuple(column["vocabulary"])}) for column in documents)
