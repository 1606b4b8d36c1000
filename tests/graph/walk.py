"""What the sampler should answer, one node at a time and by plain comparison."""

import torch
from torch import Tensor

from models.graph.sample import Sampler
from models.graph.store import TemporalGraph
from models.graph.tree import Branch


def neighbours(graph: TemporalGraph, name: str, node: int, time: int, hop: int) -> list[tuple[int, int, float]]:
    """(target, time, weight) of the most recent edges strictly before ``time``, most recent first."""
    edge, schema = graph.edges[name], graph.schema.edge(name)
    if node < 0:
        return []
    rows = range(int(edge.offsets[node]), int(edge.offsets[node + 1]))
    found = [(int(edge.target[row]), int(edge.time[row]), float(edge.weight_of(torch.tensor(row)))) for row in rows]
    found = [one for one in found if one[1] < time and (schema.window is None or time - one[1] <= schema.window)]
    return found[::-1][: schema.fan_out[hop]]


def check_tree(graph: TemporalGraph, node: str, index: Tensor, time: Tensor) -> None:
    """The sampled tree equals brute force at every depth."""
    tree = Sampler(graph).tree(node, index, time)
    check_branches(graph, tree.node, index.tolist(), time.tolist(), tree.branches, 0)


def check_branches(
    graph: TemporalGraph, node: str, index: list[int], time: list[int], branches: dict[str, Branch], hop: int
) -> None:
    """``index`` and ``time`` are the parents' (-1 where masked), flattened."""
    assert list(branches) == [edge.name for edge in graph.schema.edges_from(node, hop)]
    for name, branch in branches.items():
        fan_out = graph.schema.edge(name).fan_out[hop]
        assert branch.index.shape == (len(index), fan_out)
        for parent, (one, moment) in enumerate(zip(index, time, strict=True)):
            expected = neighbours(graph, name, one, moment, hop)
            count, mask = len(expected), branch.mask[parent].tolist()
            assert mask == [True] * count + [False] * (fan_out - count)
            assert branch.index[parent].tolist() == [target for target, _, _ in expected] + [0] * (fan_out - count)
            seconds = [(moment - then) / 1e6 for _, then, _ in expected]
            assert all(abs(a - b) <= 1e-6 * b for a, b in zip(branch.delta[parent].tolist(), seconds, strict=False))
            assert all(delta > 0 for delta in branch.delta[parent][:count].tolist())
            assert branch.delta[parent][count:].tolist() == [0.0] * (fan_out - count)
            assert branch.weight[parent].tolist() == [weight for _, _, weight in expected] + [0.0] * (fan_out - count)
            assert branch.time[parent].tolist() == [moment] * fan_out
        places = branch.index.masked_fill(~branch.mask, -1).flatten().tolist()
        if hop + 1 < graph.schema.hops:
            target = graph.schema.edge(name).target
            check_branches(graph, target, places, branch.time.flatten().tolist(), branch.branches, hop + 1)
