"""Trees as nodes and edges: counts per hop, and edges without ids."""

from functools import cache

import torch

from models.graph.fakes import DAY, START, fake_graph
from models.graph.hetero import message_type
from models.graph.sample import Sampler
from models.graph.subgraph import EdgeRows, Subgraph, edge_rows, subgraph_of
from models.graph.tree import Branch

graph = cache(fake_graph)


def grown(rows: dict[str, EdgeRows]) -> tuple[dict[str, Branch], Subgraph]:
    """Two trees of five members each and their subgraph."""
    sampler, time = Sampler(graph()), torch.full((5,), START + 20 * DAY)
    trees = [sampler.tree("member", torch.arange(first, first + 5), time) for first in (0, 5)]
    numbered = [(tree, torch.arange(5) + 5 * place) for place, tree in enumerate(trees)]
    return trees[0].branches, subgraph_of(graph().schema, sampler.hops, rows, numbered)


def test_nodes_and_edges_are_counted_hop_by_hop() -> None:
    _, found = grown(edge_rows(graph()))
    assert {name: counts[0] for name, counts in found.nodes_per_hop.items()} == {"member": 10, "item": 0, "creator": 0}
    for name, counts in found.nodes_per_hop.items():
        assert len(counts) == 3
        assert sum(counts) == len(found.node[name]) == len(found.batch[name])
    for edge, counts in found.edges_per_hop.items():
        assert len(counts) == 2
        assert sum(counts) == len(found.row[edge]) == len(found.col[edge])
    for hop in range(2):
        into = dict.fromkeys(found.node, 0)
        for (source, _, _), counts in found.edges_per_hop.items():
            into[source] += counts[hop]
        assert into == {name: counts[hop + 1] for name, counts in found.nodes_per_hop.items()}
    assert found.node["member"][:10].tolist() == found.batch["member"][:10].tolist() == list(range(10))


def test_edges_that_are_not_looked_up_have_no_ids() -> None:
    branches, found = grown({})
    for name, branch in branches.items():
        key = message_type(graph().schema, name)
        assert branch.mask.any()
        assert found.edge[key] is None
        assert len(found.row[key]) >= int(branch.mask.sum())
