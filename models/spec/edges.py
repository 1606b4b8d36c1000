"""What joins nodes: edges of event tables, and what is derived from them (affinity, densification, PageRank)."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from models.spec.part import LONGEST, Filter, Name, Strict, listed_once

FanOut = list[int]
_MOST = 200
"""Neighbours of one type at one hop, at most."""


class Walked(Strict):
    """How a tree takes the edges of one type: how many at each hop, how old, and which."""

    fan_out: FanOut = Field(default=[8, 4], description="neighbours per hop; 0 = not walked at that hop")
    reverse_fan_out: FanOut | None = Field(default=None, description="of the reverse direction; none = fan_out")
    window_days: int | None = Field(
        default=None, gt=0, le=LONGEST, description="older edges are not seen; none = no limit"
    )
    strategy: Literal["most_recent", "uniform", "weighted"] = Field(
        default="most_recent",
        description="which visible edges a tree takes: the latest, any, or any in proportion to weight",
    )

    @field_validator("fan_out", "reverse_fan_out")
    @classmethod
    def _fan_outs(cls, value: FanOut | None) -> FanOut | None:
        if value is not None and (not value or any(not 0 <= n <= _MOST for n in value)):
            raise ValueError(f"expected one number from 0 to {_MOST} per hop; found {value}")
        return value


class EdgeEnd(Strict):
    """One end of an edge: the node type and the column of the edge's table that holds its key."""

    node: str
    column: Name


class Edge(Walked):
    """One edge type: rows of an event table, visible strictly after ``time``. Edges are walked both ways."""

    table: Name
    source: EdgeEnd
    target: EdgeEnd
    time: Name
    kind: Literal["engagement", "affinity", "intrinsic"]
    domain: str = Field(description="family of surfaces; `domains` chooses among them (intrinsic is always in)")
    filter: Filter = Field(default={})
    weight: Name | None = Field(default=None, description="column with a positive weight; none = 1")
    attributes: dict[Name, Literal["number", "category"]] = Field(
        default={},
        description="columns that say more about an edge (where, how long), each a number or a category; they are seen "
        "with the edge, so the time is the one at which all of them are known",
    )
    weigh_by: Literal["common_neighbours"] | None = Field(
        default=None,
        description="weights out of the graph itself, for edges within one node type: how many neighbours both ends "
        "share before the edge's time, common / sqrt(degree x degree)",
    )

    @model_validator(mode="after")
    def _weighed_once(self) -> "Edge":
        if self.weigh_by is None:
            return self
        if self.weight is not None:
            raise ValueError(f"weigh_by: expected no other weight beside it; found the column {self.weight!r}")
        if self.source.node != self.target.node:
            found = f"{self.source.node!r} and {self.target.node!r}"
            raise ValueError(f"weigh_by: expected an edge within one node type; found one between {found}")
        return self


class Affinity(Walked):
    """Edges viewer -> creator that come true when a viewer has engaged with a creator's content often enough.

    An engagement counts from the moment at which it and the creation are both known. The edge's time is the moment at
    which the count of the trailing window reaches ``at_least`` (again, if it fell below in between); its weight is that
    count.
    """

    engagement: str = Field(description="edge from the viewer to what was engaged with")
    creation: str = Field(description="edge that joins what was engaged with and its creator, in either direction")
    at_least: int = Field(default=3, ge=1, description="engagements in the trailing window that make the edge true")
    within_days: int = Field(gt=0, le=LONGEST, description="length of the trailing window")
    domain: str | None = Field(
        default=None, description="off where `domains` leaves it, the engagement or the creation out; none = the "
        "engagement's"
    )  # fmt: skip


class Densification(Walked):
    """Edges from nodes with few edges to the nodes with many that are closest in content (LiGNN, arXiv 2402.11139).

    Degrees are counted before the train window and vectors are each node's first, so nothing that a seed has yet to see
    chooses the edges. They are intrinsic edges: visible whatever `domains` says, from when both nodes existed.
    """

    node: str
    feature: str = Field(description="a vector feature of the node: closeness is its cosine, and the edge's weight")
    degree_of: str | None = Field(
        default=None, description="edge at the node that is counted; none = all engagement edges that leave it"
    )
    neighbours: int = Field(default=50, ge=1, le=1000, description="edges of a node with few, at most")
    low_percentile: float = Field(default=30, ge=0, le=100, description="at or below it a node has few edges")
    high_percentile: float = Field(default=90, ge=0, le=100, description="at or above it a node has many")
    domain: str | None = Field(default=None, description="none = `home_domain`")

    @model_validator(mode="after")
    def _low_below_high(self) -> "Densification":
        if self.low_percentile >= self.high_percentile:
            expected = f"less than high_percentile ({self.high_percentile:g})"
            raise ValueError(f"low_percentile: expected {expected}; found {self.low_percentile:g}")
        return self


class PageRank(Strict):
    """Neighbours that are not joined by an edge: the nodes with the highest personalised PageRank as of the seed."""

    source: str = Field(description="node type from which the walk begins, at the first hop")
    target: str = Field(description="node type of the neighbours")
    edges: list[Name] | None = Field(
        default=None, min_length=1, description="edges that are walked, each both ways (also derived ones); none = all"
    )
    fan_out: int = Field(default=8, ge=1, le=_MOST, description="neighbours")
    method: Literal["walk", "push"] = Field(
        default="walk", description="short random walks (2 hops, fast), or forward push (any number of hops)"
    )
    restart: float = Field(default=0.25, gt=0, lt=1, description="probability of going back to the seed at a step")
    walks: int = Field(default=100, ge=1, le=10_000, description="walk: how many are begun at a seed")
    steps: int = Field(default=2, ge=1, le=20, description="walk: edges that one takes at most")
    epsilon: float = Field(
        default=1e-4, gt=0, lt=1, description="push: goes on while a residual is above it times the node's degree"
    )

    @field_validator("edges")
    @classmethod
    def _listed_once(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else listed_once(value)
