"""The graph as PyTorch Geometric's ``HeteroData``, for models and explainers from elsewhere."""

from typing import TYPE_CHECKING

import torch

from models.graph.sample import as_of_version
from models.graph.store import TemporalGraph

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData


def to_hetero_data(graph: TemporalGraph, as_of: int | None = None) -> "HeteroData":
    """What is visible at ``as_of`` (microseconds; None = everything), as one static graph.

    Nodes: ``num_nodes``, ``id_hash``, and of the last version ``numbers`` (NaN = missing), ``categories`` (0 =
    missing) and ``vectors``. Edges (source, name, target): ``edge_index`` (2, edges), ``time``, ``weight``.
    """
    from torch_geometric.data import HeteroData  # seconds to import

    moment = torch.iinfo(torch.int64).max if as_of is None else as_of
    data = HeteroData()
    for node_type in graph.schema.nodes:
        node, count = graph.nodes[node_type.name], node_type.count
        index = torch.arange(count, device=graph.device)
        row = as_of_version(node, index, torch.full_like(index, moment))
        store, seen = data[node_type.name], row >= 0
        store.num_nodes, store.id_hash = count, node.id_hash
        store.numbers = torch.full((count, node.numbers.shape[1]), torch.nan, device=graph.device)
        store.categories = node.categories.new_zeros(count, node.categories.shape[1])
        store.vectors = node.vectors.new_zeros(count, node.vectors.shape[1])
        for name in ("numbers", "categories", "vectors"):
            store[name][seen] = getattr(node, name)[row[seen]]
    for edge_type in graph.schema.edges:
        edge = graph.edges[edge_type.name]
        visible = edge.time < moment
        source = torch.repeat_interleave(edge.offsets.diff())
        store = data[edge_type.source, edge_type.name, edge_type.target]
        store.edge_index = torch.stack([source[visible], edge.target[visible].long()])
        store.time, store.weight = edge.time[visible], edge.weight_of(visible.nonzero().flatten())
    return data
