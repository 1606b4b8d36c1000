"""Graphs in which nothing has happened to one node: what a cold twin is read as."""

from dataclasses import replace

import torch

from models.graph.csr import csr_offsets
from models.graph.schema import BEHAVIOR
from models.graph.store import TemporalGraph
from models.graph.tensors import EdgeTensors


def unseen(graph: TemporalGraph, node: str, index: int) -> TemporalGraph:
    """The graph in which this node has no edges and no features of behavior; no seed is a twin."""
    edges = {}
    for edge in graph.schema.edges:
        tensors = graph.edges[edge.name]
        source = torch.repeat_interleave(tensors.offsets.diff())
        gone = torch.zeros_like(source, dtype=torch.bool)
        if edge.kind in BEHAVIOR and edge.source == node:
            gone = source == index
        elif edge.kind in BEHAVIOR and edge.target == node:
            gone = tensors.target == index
        kept = {name: getattr(tensors, name)[~gone] for name in ("target", "time", "numbers", "categories")}
        weight = tensors.weight[~gone] if len(tensors.weight) else tensors.weight
        offsets = csr_offsets(source[~gone].numpy(), len(tensors.offsets) - 1)
        edges[edge.name] = EdgeTensors(offsets=offsets, weight=weight, **kept)
    rows = graph.nodes[node]
    here = (torch.repeat_interleave(rows.version_offsets.diff()) == index).unsqueeze(1)
    features, values = graph.schema.node(node).features, {}
    for name, kind, missing in (("numbers", "number", torch.nan), ("categories", "category", 0)):
        hidden = torch.tensor([column.behavior for column in features if column.kind == kind], dtype=torch.bool)
        values[name] = getattr(rows, name).masked_fill(here & hidden, missing)
    assert not any(column.behavior for column in features if column.kind == "vector")
    seeds = replace(graph.seeds, cold=torch.zeros_like(graph.seeds.cold), cold_member=None)
    return replace(graph, edges=edges, nodes={**graph.nodes, node: replace(rows, **values)}, seeds=seeds)
