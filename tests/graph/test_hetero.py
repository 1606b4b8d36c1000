"""PyTorch Geometric's view of the graph."""

import torch

from models.graph.fakes import DAY, START, fake_graph
from models.graph.hetero import to_hetero_data
from models.graph.sample import as_of_version


def test_everything_is_there() -> None:
    graph = fake_graph()
    data = to_hetero_data(graph)
    assert data.validate()
    assert {name: data[name].num_nodes for name in data.node_types} == graph.counts()["nodes"]
    for edge in graph.schema.edges:
        assert data[edge.source, edge.name, edge.target].edge_index.shape == (2, len(graph.edges[edge.name].time))


def test_nothing_of_the_moment_or_later_is_there() -> None:
    graph, moment = fake_graph(), START + 5 * DAY
    data = to_hetero_data(graph, as_of=moment)
    for edge in graph.schema.edges:
        time = data[edge.source, edge.name, edge.target].time
        assert len(time) == int((graph.edges[edge.name].time < moment).sum())
    index = torch.arange(40)
    row = as_of_version(graph.nodes["member"], index, torch.full_like(index, moment))
    assert torch.equal(data["member"].numbers[row >= 0, 0], graph.nodes["member"].numbers[row[row >= 0], 0])
    assert data["member"].numbers[row < 0].isnan().all()
