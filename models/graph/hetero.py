"""The graph as PyTorch Geometric ``HeteroData``, for other models, loaders and explainers."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from models.graph.sample import as_of_version
from models.graph.schema import REVERSE, GraphSchema
from models.graph.store import TemporalGraph
from models.graph.tensors import NodeTensors
from models.graph.timeline import is_before

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

EdgeName = tuple[str, str, str]
"""PyG's name of an edge type, (source, name, target); messages flow from source to target."""


def to_hetero_data(graph: TemporalGraph, as_of: int | None = None) -> "HeteroData":
    """What is visible at ``as_of`` (microseconds UTC; None = everything) as one static graph.

    Nodes: ``num_nodes``, ``id_hash`` and the features of the last version (``read_features``). Edges (source, name,
    target): ``edge_index`` (2, edges), ``time``, ``weight``, and ``e_id``: the edge's row in ``graph.edges[name]``.
    """
    moment = torch.iinfo(torch.int64).max if as_of is None else as_of
    data = to_structure(graph)
    for node_type in graph.schema.nodes:
        node, index = graph.nodes[node_type.name], torch.arange(node_type.count, device=graph.device)
        row = as_of_version(node, index, torch.full_like(index, moment))
        data[node_type.name].update(read_features(node, row))
    for edge_type in graph.schema.edges:
        store = data[edge_type.source, edge_type.name, edge_type.target]
        row = is_before(store.time, torch.full_like(store.time, moment)).nonzero().flatten()
        store.edge_index, store.time, store.weight = store.edge_index[:, row], store.time[row], store.weight[row]
        store.e_id = row
    return data


def to_structure(graph: TemporalGraph) -> "HeteroData":
    """All nodes and edges, without node features, which depend on the seed's time (``pyg.as_of_features``).

    Edge i of a type is row i of ``graph.edges``. The edge types of PageRank branches are included without edges.
    """
    from torch_geometric.data import HeteroData  # seconds to import

    data = HeteroData()
    for node_type in graph.schema.nodes:
        store = data[node_type.name]
        store.num_nodes, store.id_hash = node_type.count, graph.nodes[node_type.name].id_hash
    for edge_type in graph.schema.edges:
        edge = graph.edges[edge_type.name]
        source = torch.repeat_interleave(edge.offsets.diff())
        store = data[edge_type.source, edge_type.name, edge_type.target]
        store.edge_index = torch.stack([source, edge.target.long()])
        store.time, store.weight = edge.time, edge.weight_of(torch.arange(len(edge.time), device=graph.device))
    for rank in graph.schema.pageranks:
        data[message_type(graph.schema, rank.name)].edge_index = torch.empty(
            2, 0, dtype=torch.int64, device=graph.device
        )
    return data


def message_type(schema: GraphSchema, branch: str) -> EdgeName:
    """The edge type of messages from a branch's neighbors to their parents: the reverse of the branch's edge type."""
    for rank in schema.pageranks:
        if rank.name == branch:
            return rank.target, rank.name, rank.source
    edge = schema.edge(branch)
    return edge.target, reverse_of(branch), edge.source


def reverse_of(name: str) -> str:
    """The name of the reverse of an edge type."""
    return name.removeprefix(REVERSE) if name.startswith(REVERSE) else REVERSE + name


def read_features(node: NodeTensors, row: Tensor) -> dict[str, Tensor]:
    """The features of versions; ``row`` (nodes,) int64, -1 = no version.

    Returns ``numbers`` (NaN = missing), ``categories`` (codes, 0 = missing) and ``vectors`` as in ``NodeTensors``, and
    ``x`` (nodes, 2 * numbers + vector sizes + 1) float32 for models with one input table: numbers (0 where missing),
    1 for each missing number, vectors, and 1 if there is a version. Categories are left to an embedding.
    """
    seen = row >= 0
    numbers = node.numbers.new_full((len(row), node.numbers.shape[1]), torch.nan)
    categories = node.categories.new_zeros(len(row), node.categories.shape[1])
    vectors = node.vectors.new_zeros(len(row), node.vectors.shape[1])
    for values, versions in ((numbers, node.numbers), (categories, node.categories), (vectors, node.vectors)):
        values[seen] = versions[row[seen]]
    missing = numbers.isnan()
    x = torch.cat([numbers.masked_fill(missing, 0), missing.float(), vectors, seen.unsqueeze(1).float()], dim=1)
    return {"numbers": numbers, "categories": categories, "vectors": vectors, "x": x}
