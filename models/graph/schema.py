"""What a graph holds, as plain dataclasses that travel as JSON: the model and the sampler need no spec beside it."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

REVERSE = "rev_"
"""Prefix of the edge type that walks another one backwards."""

Strategy = Literal["most_recent", "uniform", "weighted"]
"""Which of a node's visible edges are taken: the latest, any with equal chances, or any in proportion to weight; never
one twice."""


@dataclass(frozen=True)
class FeatureColumn:
    """One feature. ``vocabulary`` (categories only): value at position c has code c + 1; code 0 is missing."""

    name: str
    kind: Literal["number", "category", "vector"]
    size: int = 1
    vocabulary: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodeType:
    """One node type. Nodes are numbered 0..count-1 in the order of their keys."""

    name: str
    count: int
    features: tuple[FeatureColumn, ...] = ()
    id_buckets: int = 0


@dataclass(frozen=True)
class EdgeType:
    """One direction of an edge type. ``window`` is in microseconds; ``fan_out`` holds neighbours per hop."""

    name: str
    source: str
    target: str
    kind: Literal["engagement", "affinity", "intrinsic"]
    domain: str
    fan_out: tuple[int, ...]
    window: int | None = None
    strategy: Strategy = "most_recent"
    """Which of the visible edges a tree takes."""
    attributes: tuple[FeatureColumn, ...] = ()
    """What each edge says beside its time and weight: numbers and categories; the same in both directions."""


@dataclass(frozen=True)
class PageRank:
    """A branch that holds no stored edges: the nodes of one type with the highest personalised PageRank as of a seed.

    It grows from nodes of type ``source`` at the first hop, over ``edges`` in both directions.
    """

    name: str
    source: str
    target: str
    edges: tuple[str, ...]
    """Names of edge types that are walked, each with its reverse."""
    fan_out: int
    method: Literal["walk", "push"]
    """walk: short random walks from the seed (2-hop PPR); push: forward push (multi-hop PPR)."""
    restart: float = 0.25
    """Probability of going back to the seed at a step (alpha)."""
    walks: int = 100
    """walk: how many walks are begun at a seed."""
    steps: int = 2
    """walk: edges a walk takes at most."""
    epsilon: float = 1e-4
    """push: a node is pushed while its residual is at least this times its number of visible edges."""

    def as_edge(self) -> EdgeType:
        """As the model sees it: an edge type of one hop whose weights are the scores."""
        return EdgeType(self.name, self.source, self.target, "affinity", domain="", fan_out=(self.fan_out,))


@dataclass(frozen=True)
class TaskColumn:
    """One task, in the order of the label columns."""

    name: str
    weight: float
    primary: bool


@dataclass(frozen=True)
class WindowSpan:
    """One window of the spec as a half-open interval, microseconds UTC; ``Seeds.window`` holds its position."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class SeedSchema:
    """What a seed carries beside its two nodes: surface, features of the impression (counters, context), labels."""

    member: str
    item: str
    surfaces: tuple[str, ...]
    features: tuple[FeatureColumn, ...]
    tasks: tuple[TaskColumn, ...]
    timezone_offset: int
    """Microseconds to add to UTC to get the product's local time (at the start of the train window)."""
    windows: tuple[WindowSpan, ...]
    """All windows in order (graph, train, validate, gate, test); there are seeds for all but the first."""


@dataclass(frozen=True)
class GraphSchema:
    """The whole of it."""

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
        """What a tree's branches are named after: the edge types, then each PageRank as an edge type of one hop."""
        return self.edges + tuple(rank.as_edge() for rank in self.pageranks)

    @property
    def targets(self) -> dict[str, str]:
        """By name of the branch: the node type that it leads to."""
        return {branch.name: branch.target for branch in self.branches}

    @property
    def hops(self) -> int:
        """How many hops the widest walk takes."""
        return max((len(branch.fan_out) for branch in self.branches), default=0)

    def branches_from(self, node: str, hop: int) -> tuple[EdgeType, ...]:
        """The branches that a tree has at a node of that type at that hop (0 = at the seed)."""
        return tuple(b for b in self.branches if b.source == node and hop < len(b.fan_out) and b.fan_out[hop] > 0)

    def to_json(self) -> dict[str, Any]:
        """As a JSON document."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "GraphSchema":
        """Back from JSON."""
        seeds = document["seeds"]
        return cls(
            nodes=tuple(NodeType(**{**node, "features": _columns(node["features"])}) for node in document["nodes"]),
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
                }
            ),
            pageranks=tuple(PageRank(**{**rank, "edges": tuple(rank["edges"])}) for rank in document["pageranks"]),
        )


def _columns(documents: list[dict[str, Any]]) -> tuple[FeatureColumn, ...]:
    return tuple(FeatureColumn(**{**column, "vocabulary": tuple(column["vocabulary"])}) for column in documents)
