"""PyTorch Geometric's view of the graph."""

from dataclasses import replace

import torch

from models.graph.fakes import DAY, START, fake_graph
from models.graph.hetero import message_type, read_features, to_hetero_data, to_structure
from models.graph.sample import as_of_version
from models.graph.schema import PageRank
from models.graph.tensors import NodeTensors


def test_everything_is_there() -> None:
    graph = fake_graph()
    data = to_hetero_data(graph)
    assert data.validate()
    assert {name: data[name].num_nodes for name in data.node_types} == graph.counts()["nodes"]
    for edge in graph.schema.edges:
        store = data[edge.source, edge.name, edge.target]
        assert torch.equal(store.e_id, torch.arange(len(graph.edges[edge.name].time)))
        assert torch.equal(store.edge_index[1], graph.edges[edge.name].target.long())


def test_nothing_of_the_moment_or_later_is_there() -> None:
    graph, moment = fake_graph(), START + 5 * DAY
    data = to_hetero_data(graph, as_of=moment)
    for edge in graph.schema.edges:
        stored, store = graph.edges[edge.name], data[edge.source, edge.name, edge.target]
        assert len(store.time) == int((stored.time < moment).sum())
        assert torch.equal(store.time, stored.time[store.e_id])
        assert torch.equal(store.weight, stored.weight_of(store.e_id))
    index = torch.arange(40)
    row = as_of_version(graph.nodes["member"], index, torch.full_like(index, moment))
    assert torch.equal(data["member"].numbers[row >= 0, 0], graph.nodes["member"].numbers[row[row >= 0], 0])
    assert data["member"].numbers[row < 0].isnan().all()
    assert torch.equal(data["member"].x[:, -1], (row >= 0).float())
    assert data["member"].x.isfinite().all()


def test_the_structure_holds_no_features() -> None:
    graph = fake_graph()
    data = to_structure(graph)
    assert all(set(store) == {"num_nodes", "id_hash"} for store in data.node_stores)
    assert all(set(store) == {"edge_index", "time", "weight"} for store in data.edge_stores)


def test_messages_flow_against_the_walk() -> None:
    schema = fake_graph().schema
    assert message_type(schema, "clicked") == ("item", "rev_clicked", "member")
    assert message_type(schema, "rev_follows") == ("member", "follows", "creator")


def test_pageranks_have_edge_types_without_edges() -> None:
    graph = fake_graph(members=3, items=4)
    rank = PageRank("near", "member", "item", ("clicked",), fan_out=1, method="walk")
    data = to_structure(replace(graph, schema=replace(graph.schema, pageranks=(rank,))))
    near = data["item", "near", "member"]
    assert (near.edge_index.shape, near.edge_index.dtype) == ((2, 0), torch.int64)


def test_features_in_one_table() -> None:
    """Numbers, which of them are missing, vectors, and whether there is a version."""
    nan, none = torch.nan, torch.zeros(0, dtype=torch.int64)
    numbers = torch.tensor([[5.0, nan], [nan, 7.0]])
    categories, vectors = torch.tensor([[3], [4]]), torch.tensor([[0.25, 0.5, 1.0], [2.0, 4.0, 8.0]])
    found = read_features(NodeTensors(none, none, none, numbers, categories, vectors), torch.tensor([1, -1, 0]))
    assert found["x"].tolist() == [
        [0, 7, 1, 0, 2, 4, 8, 1],
        [0, 0, 1, 1, 0, 0, 0, 0],
        [5, 0, 0, 1, 0.25, 0.5, 1, 1],
    ]
    assert found["categories"].tolist() == [[4], [0], [3]]
    assert found["numbers"].nan_to_num(-1).tolist() == [[-1, 7], [-1, -1], [5, -1]]
    assert found["vectors"].tolist() == [[2, 4, 8], [0, 0, 0], [0.25, 0.5, 1]]
