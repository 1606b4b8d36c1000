"""PyTorch Geometric models train on the loaders of the temporal graph."""

from typing import Any

import torch
from torch_geometric.nn import HeteroConv, HGTConv, Linear, SAGEConv
from torch_geometric.utils import trim_to_layer

from models.graph.fakes import fake_graph
from models.graph.pyg import link_loader, node_loader
from models.graph.sample import Sampler

SHOWN = ("member", "shown", "item")


class Hgt(torch.nn.Module):
    """A stock heterogeneous graph transformer."""

    def __init__(self, metadata: Any) -> None:
        super().__init__()
        nodes, _ = metadata
        self.inputs = torch.nn.ModuleDict({node: Linear(-1, 16) for node in nodes})
        self.layers = torch.nn.ModuleList(HGTConv(16, 16, metadata, heads=2) for _ in range(2))

    def forward(self, data: Any) -> dict[str, torch.Tensor]:
        x = {node: self.inputs[node](store.x).relu() for node, store in data.node_items() if store.num_nodes}
        edges = {key: index for key, index in data.edge_index_dict.items() if key[0] in x and key[2] in x}
        for layer in self.layers:
            x = {node: state for node, state in layer(x, edges).items() if state is not None}
        return x


def falls(losses: list[float]) -> bool:
    quarter = len(losses) // 4
    return sum(losses[-quarter:]) < 0.8 * sum(losses[:quarter])


def test_a_stock_model_trains_on_nodes() -> None:
    torch.manual_seed(0)
    graph = fake_graph()
    rows = graph.seeds.rows("train")
    member, time = graph.seeds.member[rows], graph.seeds.time[rows]
    loader = node_loader(Sampler(graph), "member", member, time, batch_size=64, shuffle=True)
    model, head = Hgt((loader.data.node_types, loader.data.edge_types)), Linear(16, 1)
    model(next(iter(loader)))  # widths are found at first use
    optimizer, losses = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=0.01), []
    for _ in range(4):
        for batch in loader:
            score = head(model(batch)["member"][: batch["member"].batch_size]).squeeze(1)
            label = (batch["member"].numbers[: len(score), 0] > 0).float()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(score, label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert falls(losses), losses


def test_a_stock_model_trains_on_pairs() -> None:
    torch.manual_seed(0)
    graph = fake_graph()
    rows = graph.seeds.rows("train")
    rows = rows[graph.seeds.item[rows] >= 0]
    pairs, time = torch.stack([graph.seeds.member[rows], graph.seeds.item[rows]]), graph.seeds.time[rows]
    loader = link_loader(
        Sampler(graph), SHOWN, pairs, time, label=graph.seeds.labels[rows, 0], batch_size=64, shuffle=True
    )
    model = Hgt((loader.data.node_types, loader.data.edge_types))
    model(next(iter(loader)))
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=0.01), []
    for _ in range(8):
        for batch in loader:
            state, (source, target) = model(batch), batch[SHOWN].edge_label_index
            score = (state["member"][source] * state["item"][target]).sum(dim=1)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(score, batch[SHOWN].edge_label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert falls(losses), losses


def test_layers_may_be_trimmed_to_what_the_seeds_need() -> None:
    torch.manual_seed(0)
    graph = fake_graph()
    time = graph.seeds.time[-8:]
    (data,) = node_loader(Sampler(graph), "member", graph.seeds.member[-8:], time, batch_size=8)
    layers = [HeteroConv({key: SAGEConv((-1, -1), 8) for key in data.edge_types}) for _ in range(2)]
    whole, cut, edges, few = data.x_dict, data.x_dict, data.edge_index_dict, data.edge_index_dict
    for number, layer in enumerate(layers):
        cut, few, _ = trim_to_layer(number, data.num_sampled_nodes_dict, data.num_sampled_edges_dict, cut, few)
        whole, cut = layer(whole, edges), layer(cut, few)
    assert len(cut["member"]) < len(whole["member"])
    torch.testing.assert_close(cut["member"][:8], whole["member"][:8])
