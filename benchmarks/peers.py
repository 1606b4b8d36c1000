"""Peer for training throughput: PyTorch Geometric's HeteroConv of SAGEConv with its own loaders."""

import itertools
from importlib.util import find_spec
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.random_world import random_seeds
from models.graph.hetero import to_structure
from models.graph.sample import Sampler
from models.graph.store import TemporalGraph

_SECONDS = 30.0
"""Maximum measuring time; at least one batch is measured."""


def pyg_seeds_per_second(
    graph: TemporalGraph, tables: dict[str, Tensor], width: int, batch: int, device: torch.device
) -> tuple[str, float]:
    """Return the loader's name and its seeds per second, with the same fan-outs, features and optimizer.

    With pyg-lib: PyG's ``NeighborLoader``, temporal, latest neighbors, 14 workers. Without pyg-lib, PyG has no
    temporal sampling, so its ``NodeLoader`` uses our sampler.
    """
    data = to_structure(graph)
    for name, table in tables.items():
        data[name].x = table
    index, time = random_seeds(graph.schema.node("member").count, 1000 * batch, "cpu", seed=99)
    name, loader = _neighbor_loader(graph, data, index, time, batch) if find_spec("pyg_lib") else ("", None)
    if loader is None:
        name, loader = _node_loader(graph, data, index, time, batch)
    model = _Sage(graph, width).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def learn(sampled: Any) -> None:
        sampled = sampled.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            score = model(sampled.x_dict, sampled.edge_index_dict)[: sampled["member"].batch_size]
        label = torch.zeros(len(score), device=device)
        optimiser.zero_grad()
        functional.binary_cross_entropy_with_logits(score.float(), label).backward()
        optimiser.step()

    batches = iter(loader)
    learn(next(batches))
    if device.type == "cuda":
        torch.cuda.synchronize()
    started, seen = perf_counter(), 0
    for sampled in itertools.islice(batches, 100):
        learn(sampled)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seen += batch
        if perf_counter() - started > _SECONDS:
            break
    return name, seen / (perf_counter() - started)


def _neighbor_loader(graph: TemporalGraph, data: Any, index: Tensor, time: Tensor, batch: int) -> tuple[str, Any]:
    from torch_geometric.loader import NeighborLoader

    return "PyG NeighborLoader with pyg-lib", NeighborLoader(
        data.to("cpu"),
        num_neighbors={kind: list(graph.schema.edges[0].fan_out) for kind in data.edge_types},
        input_nodes=("member", index),
        input_time=time,
        time_attr="time",
        temporal_strategy="last",
        batch_size=batch,
        num_workers=14,
    )


def _node_loader(graph: TemporalGraph, data: Any, index: Tensor, time: Tensor, batch: int) -> tuple[str, Any]:
    from torch_geometric.loader import NodeLoader

    from models.graph.pyg import TreeSampler

    return "PyG NodeLoader and HeteroConv on our sampler (no pyg-lib)", NodeLoader(
        data, node_sampler=TreeSampler(Sampler(graph)), input_nodes=("member", index), input_time=time, batch_size=batch
    )


class _Sage(nn.Module):
    def __init__(self, graph: TemporalGraph, width: int) -> None:
        from torch_geometric.nn import HeteroConv, SAGEConv

        super().__init__()
        kinds = to_structure(graph).edge_types
        self.layers = nn.ModuleList(
            HeteroConv({kind: SAGEConv((width, width), width) for kind in kinds}) for _ in range(2)
        )
        self.head = nn.Linear(width, 1)

    def forward(self, states: dict[str, Tensor], edges: dict[Any, Tensor]) -> Tensor:
        states = self.layers[0](states, edges)
        states = self.layers[1]({name: state.relu() for name, state in states.items()}, edges)
        return self.head(states["member"]).squeeze(1)
