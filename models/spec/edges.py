"""What connects nodes: edges of event tables, and what is derived from them (affinity, densification, PageRank)."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from models.spec.base import Days, Filter, Name, StrictModel, check_unique_values

MOST_NEIGHBORS = 200
"""Largest fan-out of an edge type at one hop."""
FanOut = Annotated[list[Annotated[int, Field(ge=0, le=MOST_NEIGHBORS)]], Field(min_length=1)]
"""Neighbors per hop."""
Percentile = Annotated[float, Field(ge=0, le=100)]


class NeighborSampling(StrictModel):
    """How neighbors are sampled over the edges of one type: how many at each hop, how old, and which."""

    fan_out: FanOut = Field(
        default=[8, 4],
        description="Neighbors per hop, from source to target; one number per hop, and all edge types have as many "
        "hops. 0 = not sampled at that hop. More neighbors cost time and memory in training and serving.",
        examples=[[10, 1]],
    )
    reverse_fan_out: FanOut | None = Field(
        default=None,
        description="Neighbors per hop, from target to source. None = the same as `fan_out`.",
        examples=[[0, 2]],
    )
    window_days: Days | None = Field(
        default=None, description="Edges older than this many days are not visible. None = no limit.", examples=[90]
    )
    strategy: Literal["most_recent", "uniform", "weighted"] = Field(
        default="most_recent",
        description="Which of the visible edges are sampled: the latest, any with equal chances, or any in proportion "
        "to their weight.",
        examples=["weighted"],
    )


class EdgeEnd(StrictModel):
    """One end of an edge."""

    node: str = Field(description="Node type.")
    column: Name = Field(description="Column of the edge's table that holds the node's key.")


class Edge(NeighborSampling):
    """One edge type: rows of an event table, visible strictly after ``time``, sampled in both directions."""

    table: Name = Field(description="Canonical table of the adapter; each row that the filter keeps is one edge.")
    source: EdgeEnd = Field(description="Where the edge begins, such as the member who acted.")
    target: EdgeEnd = Field(description="Where the edge ends, such as the post that was acted on.")
    time: Name = Field(
        description="Column with the time at which everything about the edge is known. It is the settled time if the "
        "edge depends on an outcome."
    )
    kind: Literal["engagement", "affinity", "intrinsic"] = Field(
        description="engagement: an action; those of the member also form the activity sequence. affinity: a "
        "lasting relation, only sampled as neighbors. intrinsic: what belongs together, visible whatever `domains` is."
    )
    domain: str = Field(
        description="Family of surfaces that the edge comes from. `domains` and `home_domain` choose among them; "
        "intrinsic edges stay."
    )
    filter: Filter = Field(
        default={},
        description="Only rows with these values become edges: column -> values. Rows with a missing value are left "
        "out. Empty = all rows.",
    )
    weight: Name | None = Field(
        default=None,
        description="Column with a positive weight. `strategy: weighted` samples by it, and the model reads it. "
        "None = every edge weighs 1.",
    )
    attributes: dict[Name, Literal["number", "category"]] = Field(
        default={},
        description="Columns that say more about an edge, such as where and how long: column -> number or category. "
        "The model reads them with the edge, so all of them must be known at `time`.",
    )
    weigh_by: Literal["common_neighbours"] | None = Field(
        default=None,
        description="Computes the weight from the graph, for edges within one node type: common / sqrt(degree x "
        "degree), where common counts the neighbors that both ends share before the edge's time. Not together with "
        "`weight`. None = off.",
        examples=["common_neighbours"],
    )

    @model_validator(mode="after")
    def _check_weight(self) -> "Edge":
        if self.weigh_by is None:
            return self
        if self.weight is not None:
            raise ValueError(f"weigh_by: expected no other weight beside it; found the column {self.weight!r}")
        if self.source.node != self.target.node:
            found = f"{self.source.node!r} and {self.target.node!r}"
            raise ValueError(f"weigh_by: expected an edge within one node type; found one between {found}")
        return self


class Affinity(NeighborSampling):
    """Derived edges viewer -> creator: the viewer engaged with the creator's content often enough.

    An engagement counts from the moment at which it and the creation are both known. The edge's time is the moment at
    which the count of the trailing window reaches ``at_least`` (again, if it fell below in between); its weight is that
    count.
    """

    engagement: str = Field(
        description="Edge of kind engagement, from the viewer to the content.", examples=["reacted"]
    )
    creation: str = Field(
        description="Edge between the content and its creator, in either direction.", examples=["written_by"]
    )
    at_least: int = Field(
        default=3,
        ge=1,
        description="Engagements within the trailing window that create the edge. Higher gives fewer, stronger edges.",
        examples=[2],
    )
    within_days: Days = Field(description="Length of the trailing window in days.", examples=[28])
    domain: str | None = Field(
        default=None,
        description="Domain of the derived edge. The affinity is off where `domains` excludes it, the engagement or "
        "the creation. None = the engagement's domain.",
        examples=["feed"],
    )


class Densification(NeighborSampling):
    """Derived edges from nodes with few edges to similar nodes with many (LiGNN, arXiv 2402.11139).

    Degrees are counted before the train window and vectors are each node's first, so a seed's future never chooses its
    edges. They are intrinsic edges: visible whatever `domains` is, from when both nodes existed.
    """

    node: str = Field(description="Node type whose nodes are connected with each other.", examples=["member"])
    feature: str = Field(
        description="A vector feature of the node. Similarity is its cosine, which is also the edge's weight.",
        examples=["profile_vector"],
    )
    degree_of: str | None = Field(
        default=None,
        description="Edge that is counted as the node's degree. None = all engagement edges that start at the node.",
        examples=["reacted"],
    )
    neighbours: int = Field(
        default=50,
        ge=1,
        le=1000,
        description="Largest number of edges that a node with few gets, to the most similar ones.",
        examples=[20],
    )
    low_percentile: Percentile = Field(
        default=30,
        description="Percentile of the degree up to which a node has few edges. Higher adds edges to more nodes.",
        examples=[20],
    )
    high_percentile: Percentile = Field(
        default=90,
        description="Percentile of the degree from which a node has many edges; above `low_percentile`. Lower offers "
        "more nodes as neighbors.",
        examples=[80],
    )
    domain: str | None = Field(
        default=None, description="Domain of the derived edge. None = `home_domain`.", examples=["network"]
    )

    @model_validator(mode="after")
    def _check_percentiles(self) -> "Densification":
        if self.low_percentile >= self.high_percentile:
            expected = f"less than high_percentile ({self.high_percentile:g})"
            raise ValueError(f"low_percentile: expected {expected}; found {self.low_percentile:g}")
        return self


class PageRank(StrictModel):
    """Neighbors beyond direct edges: the nodes with the highest personalized PageRank as of the seed."""

    source: str = Field(description="Node type of the seed, at the first hop.", examples=["member"])
    target: str = Field(description="Node type of the neighbors.", examples=["post"])
    edges: list[Name] | None = Field(
        default=None,
        min_length=1,
        description="Edge types that are followed, in both directions; derived ones too. None = all.",
        examples=[["reacted", "connected"]],
    )
    fan_out: int = Field(
        default=8, ge=1, le=MOST_NEIGHBORS, description="Number of neighbors with the highest score.", examples=[10]
    )
    method: Literal["walk", "push"] = Field(
        default="walk",
        description="walk: short random walks, fast. push: forward push over any number of hops, finer and slower.",
        examples=["push"],
    )
    restart: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="Probability of returning to the seed at a step. Higher stays closer to the seed.",
        examples=[0.5],
    )
    walks: int = Field(
        default=100,
        ge=1,
        le=10_000,
        description="For walk: number of walks that start at a seed. More are more exact and slower.",
        examples=[200],
    )
    steps: int = Field(
        default=2, ge=1, le=20, description="For walk: largest number of edges of one walk.", examples=[3]
    )
    epsilon: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="For push: a node is expanded while its residual is at least this times its degree. Smaller is "
        "more exact and slower: about 1 / (restart x epsilon) edges for each seed.",
        examples=[0.001],
    )

    @field_validator("edges")
    @classmethod
    def _check_unique(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else check_unique_values(value)
