"""The expected result of the sampler, one node at a time, by plain comparison."""

import numpy as np
from torch import Tensor

from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tree import Branch
from tests.models.graph.expected import Numbers, chosen, visible
from tests.models.graph.ranks import best


def check_tree(graph: TemporalGraph, node: str, index: Tensor, time: Tensor, seed: int = 0, draw: int = 0) -> None:
    """The sampled tree equals brute force at every depth."""
    tree = Sampler(graph, seed=seed).tree(node, index, time, draw)
    check_branches(graph, tree.node, index.tolist(), time.tolist(), tree.branches, 0, (seed, draw))


def check_rows(graph: TemporalGraph, name: str, node: int, branch: Branch, parent: int, count: int) -> None:
    """Rows are the parent's own, and say what the branch says; PageRank branches have none."""
    rows = branch.row[parent].tolist()
    assert rows[count:] == [0] * (len(rows) - count)
    if name not in graph.edges:
        assert not any(rows)
        return
    edges, found = graph.edges[name], branch.row[parent, :count]
    assert len(set(found.tolist())) == count
    assert all(edges.offsets[node] <= row < edges.offsets[node + 1] for row in found.tolist())
    assert edges.target[found].tolist() == branch.index[parent, :count].tolist()
    assert edges.time[found].tolist() == branch.edge_time[parent, :count].tolist()


def check_branches(
    graph: TemporalGraph,
    node: str,
    index: list[int],
    time: list[int],
    branches: dict[str, Branch],
    hop: int,
    luck: tuple[int, int],
) -> None:
    """``index`` and ``time`` are the parents' (-1 where masked), flattened."""
    schema = graph.schema
    places = [branch.name for branch in schema.branches]
    ranks = {rank.name: rank for rank in schema.pageranks}
    assert list(branches) == [branch.name for branch in schema.branches_from(node, hop)]
    for name, branch in branches.items():
        edge = next(edge for edge in schema.branches if edge.name == name)
        fan_out = edge.fan_out[hop]
        assert branch.index.shape == (len(index), fan_out)
        for parent, (one, moment) in enumerate(zip(index, time, strict=True)):
            numbers = Numbers(*luck, hop, places.index(name), one, moment)
            if name in ranks:
                expected = best(graph, ranks[name], one, moment, numbers)
            else:
                weighed = len(graph.edges[name].weight) > 0
                expected = chosen(edge, hop, visible(graph, name, one, moment), weighed, numbers)
            count, mask = len(expected), branch.mask[parent].tolist()
            assert mask == [True] * count + [False] * (fan_out - count)
            assert branch.index[parent].tolist() == [target for target, _, _ in expected] + [0] * (fan_out - count)
            seconds = [(moment - then) / 1e6 for _, then, _ in expected]
            assert all(abs(a - b) <= 1e-6 * b for a, b in zip(branch.delta[parent].tolist(), seconds, strict=False))
            assert all(delta > 0 for delta in branch.delta[parent][:count].tolist())
            assert branch.delta[parent][count:].tolist() == [0.0] * (fan_out - count)
            weights = [float(np.float32(weight)) for _, _, weight in expected]
            assert branch.weight[parent].tolist() == weights + [0.0] * (fan_out - count)
            assert branch.time[parent].tolist() == [moment] * fan_out
            check_rows(graph, name, one, branch, parent, count)
        below = branch.index.masked_fill(~branch.mask, -1).flatten().tolist()
        if hop + 1 < schema.hops:
            check_branches(graph, edge.target, below, branch.time.flatten().tolist(), branch.branches, hop + 1, luck)
