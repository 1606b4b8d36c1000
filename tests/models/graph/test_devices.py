"""A GPU gives the same bits as the CPU: trees of every strategy and PageRank, activities, versions.

Other tests compare the CPU with brute force.
"""

import pytest
import torch

from models.graph.fakes import fake_graph
from models.graph.sample import Sampler, as_of_version
from models.nn.aggregation import walk
from tests.models.graph.worlds import varied

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@on_gpu
@pytest.mark.parametrize("node", ["member", "item"])
def test_trees_are_the_same_bits(node: str) -> None:
    graph = varied(fake_graph())
    index, time = getattr(graph.seeds, node)[:100], graph.seeds.time[:100]
    one = Sampler(graph, seed=5).tree(node, index, time, draw=2)
    other = Sampler(graph.to("cuda"), seed=5).tree(node, index.to("cuda"), time.to("cuda"), draw=2)
    for (name, expected), (again, found) in zip(walk(one.branches), walk(other.branches), strict=True):
        assert name == again
        for field in ("index", "mask", "edge_time", "weight", "delta", "row"):
            assert torch.equal(getattr(found, field).cpu(), getattr(expected, field)), (name, field)


@pytest.mark.parametrize("node", ["member", "item"])
def test_no_tensor_is_created_on_the_default_device(node: str) -> None:
    """The graph is on the CPU, the default device is "meta": tensors there have no values, and mixing the two fails."""
    graph = varied(fake_graph())
    index, time = getattr(graph.seeds, node)[:20], graph.seeds.time[:20]
    with torch.device("meta"):
        sampler = Sampler(graph, seed=5)
        branches = [branch for _, branch in walk(sampler.tree(node, index, time, draw=2).branches)]
        activities = sampler.activities(graph.seeds.member[:20], time, 7)
        version = as_of_version(graph.nodes["member"], graph.seeds.member[:20], time)
    tensors = [value for made in (*branches, activities) for value in vars(made).values() if torch.is_tensor(value)]
    assert {tensor.device.type for tensor in (*tensors, version)} == {"cpu"}


@on_gpu
def test_activities_and_versions_are_the_same() -> None:
    graph = fake_graph()
    there, member, time = graph.to("cuda"), graph.seeds.member[:100], graph.seeds.time[:100]
    one = Sampler(graph).activities(member, time, 7)
    other = Sampler(there).activities(member.to("cuda"), time.to("cuda"), 7)
    assert all(torch.equal(value, vars(other)[name].cpu()) for name, value in vars(one).items())
    rows = as_of_version(there.nodes["member"], member.to("cuda"), time.to("cuda"))
    assert torch.equal(rows.cpu(), as_of_version(graph.nodes["member"], member, time))
