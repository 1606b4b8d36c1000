"""The schema's methods: defaults, depth and branches; and that records do not change."""

from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from models.graph.chance import Draw
from models.graph.densify import ContentEdges, Nodes
from models.graph.derive import DerivedEdge
from models.graph.engines.duckdb import DuckDB
from models.graph.engines.spark import Spark
from models.graph.fakes import fake_graph
from models.graph.pagerank_graph import Direction, Scores
from models.graph.schema import EdgeType, FeatureColumn, NodeType, PageRank

SCHEMA = fake_graph(members=2, items=2).schema
EDGE = EdgeType("likes", "member", "item", "engagement", "feed", (1, 0))
RANK = PageRank("near", "member", "item", ("likes",), fan_out=1, method="walk")


def test_what_is_left_out_has_a_default() -> None:
    assert (FeatureColumn("age", "number").size, NodeType("member", 3).id_buckets) == (1, 0)
    assert (RANK.restart, RANK.walks, RANK.steps, RANK.epsilon) == (0.25, 100, 2, 1e-4)


def test_a_schema_without_branches_has_no_hops() -> None:
    assert replace(SCHEMA, edges=()).hops == 0
    assert replace(SCHEMA, edges=(), pageranks=(RANK,)).hops == 1
    assert replace(SCHEMA, edges=(EDGE,)).hops == 2


def test_branches_leave_their_source_where_their_fan_out_is_above_zero() -> None:
    back = replace(EDGE, name="rev_likes", source="item", target="member", fan_out=(0, 1))
    schema = replace(SCHEMA, edges=(EDGE, back), pageranks=(RANK,))

    def names(node: str, hop: int) -> list[str]:
        return [branch.name for branch in schema.branches_from(node, hop)]

    assert [names("member", hop) for hop in range(3)] == [["likes", "near"], [], []]
    assert [names("item", hop) for hop in range(3)] == [[], ["rev_likes"], []]
    assert names("creator", 0) == []


NONE, NOTHING = np.zeros(0), torch.zeros(0)
RECORDS = [
    SCHEMA,
    SCHEMA.seeds,
    SCHEMA.seeds.tasks[0],
    SCHEMA.seeds.windows[0],
    SCHEMA.nodes[0],
    SCHEMA.nodes[0].features[0],
    EDGE,
    RANK,
    Draw(0, 0, 0, 0),
    Draw(0, 0, 0, 0).of(NOTHING, NOTHING),
    Nodes(NONE, NONE, NONE, NONE),
    ContentEdges(NONE, NONE, NONE, NONE),
    DerivedEdge("member", "item", "affinity", "feed", [1], [1], None, "uniform"),
    Scores(*[NOTHING] * 5),
    Direction(fake_graph(members=2, items=2).edges["clicked"], None, 0, 1),
    DuckDB(),
    Spark(),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_records_do_not_change(record: Any) -> None:
    name = fields(record)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(record, name, None)
