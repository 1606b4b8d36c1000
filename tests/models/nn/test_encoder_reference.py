"""The encoders and the scaling of features against plain formulas."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from models.graph.sample import Sampler
from models.graph.tree import Branch
from models.nn.cross import CrossNetwork
from models.nn.encoded import encode_graph
from models.nn.encoding import FeatureEncoding
from models.nn.model import Ranker
from models.nn.scaling import Scale, scale_numbers
from tests.models.nn.batches import CONFIG, World, member_side

W = CONFIG.width


@torch.inference_mode()
def test_a_tree_is_folded_from_its_leaves(world: World) -> None:
    graph, encoded, ranker = world
    side, rows = ranker.member_side, graph.seeds.rows("test")[:8]
    tree, _ = member_side(graph, rows)
    table = ranker.input_table(encoded)

    def message(hop: int, name: str, parent: Tensor, branch: Branch) -> Tensor:
        target = graph.schema.targets[name]
        places = table[encoded.node_state(target, branch.index, branch.time)].flatten(0, 1)
        if branch.branches:
            below = sum(message(hop + 1, deeper, places, b)[:, 0] for deeper, b in branch.branches.items())
            places = side.norms[f"hop{hop + 1}_{target}"](places + below.clamp(min=0))
        neighbors, edges = places.unflatten(0, branch.index.shape), side.edges[name](branch, encoded.edges[name])
        return side.attention[f"hop{hop}_{name}"](parent, neighbors, branch.mask, edges)

    root = table[encoded.node_state("member", tree.index, tree.time)]
    tokens = side.widen(root).view(len(rows), CONFIG.graph_tokens, W)
    tokens = tokens + sum(message(0, name, root, branch) for name, branch in tree.branches.items())
    expected = side.last(tokens + side.feed(tokens))
    torch.testing.assert_close(ranker.member_tokens(encoded, tree)[:, : CONFIG.graph_tokens], expected)


@torch.inference_mode()
def test_an_activity_is_its_target_with_neighbors_its_action_and_its_attributes(world: World) -> None:
    graph, encoded, ranker = world
    encoder, rows = ranker.activities, graph.seeds.rows("test")[:12]
    _, activities = member_side(graph, rows, count=25)
    assert not activities.mask.all()
    found, table = ranker.activity_tokens(encoded, activities, graph.seeds.time[rows]), ranker.input_table(encoded)
    sampler = Sampler(replace(graph, schema=encoder.around), hops=1)
    for row, place in activities.mask.nonzero().tolist():
        time, target = graph.seeds.time[rows[row]].view(1), activities.target[row, place].view(1)
        content = root = table[encoded.node_state("item", target, time)]
        for name, branch in sampler.tree("item", target, time).branches.items():
            state = encoded.node_state(graph.schema.targets[name], branch.index, branch.time)
            edges = encoder.around_edges[name](branch, encoded.edges[name])
            content = content + encoder.attention[name](root, table[state], branch.mask, edges)[:, 0]
        name = graph.schema.activity_edges[activities.edge[row, place]]
        expected = encoder.content(content)[0] + encoder.action.weight[encoder.edges.index(name)]
        if name == "clicked":
            attributes = encoder.attributes[name](encoded.edges[name], activities.row[row, place])
            expected = expected + encoder.said(attributes)
        torch.testing.assert_close(found[row, place], expected)
    assert not found[~activities.mask].any()


@torch.inference_mode()
def test_a_graph_may_list_its_activity_edges_in_another_order(world: World) -> None:
    graph, encoded, ranker = world
    schema = replace(graph.schema, activity_edges=graph.schema.activity_edges[::-1])
    other, rows = replace(graph, schema=schema), graph.seeds.rows("test")
    found = [
        ranker.activity_tokens(e, member_side(g, rows)[1], g.seeds.time[rows])
        for g, e in ((graph, encoded), (other, encode_graph(ranker.encoding, graph.schema, other)))
    ]
    torch.testing.assert_close(found[0].sum(dim=1), found[1].sum(dim=1))  # ties of time may change their order


def test_actions_and_attributes_start_beside_the_content(world: World) -> None:
    encoder = Ranker(CONFIG, world.graph.schema, world.ranker.encoding).activities
    assert not encoder.action.weight[:, : W // 2].any()
    assert encoder.action.weight[:, W // 2 :].all()
    assert not encoder.said.weight[: W // 2].any()
    assert encoder.said.weight[W // 2 :].all()


def test_a_cross_network_starts_near_the_identity() -> None:
    torch.manual_seed(0)
    network = CrossNetwork(6, 1)
    assert network.widen[0].weight.abs().max() <= 0.1 / math.sqrt(6)
    assert network.narrow[0].weight.abs().max() > 0.1 / math.sqrt(6)


@pytest.mark.parametrize(
    ("name", "values", "shaped"),
    [
        ("height", [1.0, 2.0, 4.0], [1.0, 2.0, 4.0]),
        ("all_exposures", [0.0, 3.0, 8.0], [0.0, math.log(4), math.log(9)]),
        ("click_rate", [0.0, 0.5, 0.9], [math.log(1e-4 / (1 - 1e-4)), 0.0, math.log(9)]),
    ],
)
def test_a_number_is_shaped_centered_and_divided_by_its_deviation(
    name: str, values: list[float], shaped: list[float]
) -> None:
    scale = Scale.fit(name, torch.tensor(values))
    expected = (np.array(shaped) - np.mean(shaped)) / np.std(shaped)
    found = scale_numbers((scale,), torch.tensor(values).unsqueeze(1))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-5)
    assert not found[:, 1].any()


def test_scaled_values_end_at_five_deviations() -> None:
    scale = Scale("x", "plain", 1.0, 2.0)
    found = scale_numbers((scale,), torch.tensor([[1e9], [-1e9], [10.9], [11.1]]))[:, 0]
    torch.testing.assert_close(found, torch.tensor([5.0, -5.0, 4.95, 5.0]))


def test_vectors_are_scaled_by_component() -> None:
    vectors = torch.tensor([[1.0, 5.0], [3.0, 5.0], [8.0, 5.0]])
    none = torch.zeros(3, 0)
    encoding = FeatureEncoding.fit((), none, none.long(), vectors)
    found = encoding.scale_vectors(vectors).numpy()
    values = vectors[:, 0].numpy()
    np.testing.assert_allclose(found[:, 0], (values - values.mean()) / values.std(), rtol=1e-5)
    assert not found[:, 1].any()  # a constant component keeps its deviation of 1
    assert encoding.scale_vectors(torch.tensor([[4.0, 7.0]]))[0, 1] == 2.0
    empty = FeatureEncoding.fit((), none[:0], none[:0].long(), vectors[:0])
    assert empty.vector_means == (0.0, 0.0)
