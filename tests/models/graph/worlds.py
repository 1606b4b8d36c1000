"""The fake graph with other strategies and with PageRank branches."""

from dataclasses import replace
from itertools import cycle

from models.graph.fakes import fake_graph
from models.graph.schema import PageRank, Strategy
from models.graph.store import TemporalGraph

EDGES = ("clicked", "liked", "follows", "authored")
WALK = PageRank("near", "member", "item", EDGES, fan_out=4, method="walk", walks=12, steps=3)
PUSH = PageRank("like", "member", "member", EDGES, fan_out=5, method="push", epsilon=5e-3)
PAGERANKS = (
    WALK,
    PUSH,
    PageRank("seen_with", "item", "item", ("liked", "clicked"), fan_out=3, method="walk", restart=0.6, walks=9),
    PageRank("author", "item", "creator", EDGES, fan_out=2, method="push", restart=0.4, epsilon=2e-2),
)


def varied(
    graph: TemporalGraph,
    strategies: tuple[Strategy, ...] = ("uniform", "weighted", "most_recent"),
    pageranks: tuple[PageRank, ...] = PAGERANKS,
) -> TemporalGraph:
    """The edge types have the strategies in turn; beside them there are the PageRanks."""
    edges = tuple(replace(e, strategy=s) for e, s in zip(graph.schema.edges, cycle(strategies), strict=False))
    return replace(graph, schema=replace(graph.schema, edges=edges, pageranks=pageranks))


def only(graph: TemporalGraph, rank: PageRank) -> TemporalGraph:
    """Trees hold nothing but that PageRank's branch."""
    edges = tuple(replace(edge, fan_out=()) for edge in graph.schema.edges)
    return replace(graph, schema=replace(graph.schema, edges=edges, pageranks=(rank,)))


def small_world(seed: int) -> TemporalGraph:
    """Six members and seven items with every strategy and every kind of PageRank."""
    return varied(fake_graph(members=6, items=7, seed=seed, impressions=80))
