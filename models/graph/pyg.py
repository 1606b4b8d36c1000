"""PyTorch Geometric loaders on the temporal graph; PyG's models work on them without compiled extensions.

``node_loader`` and ``link_loader`` build PyG's own ``NodeLoader`` and ``LinkLoader``. Every batch holds one tree per
seed; neither its edges nor its node features contain anything at or after the seed's time.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from models.graph.errors import QueryError
from models.graph.hetero import EdgeName, read_features, to_structure
from models.graph.negatives import Existence
from models.graph.sample import Sampler, as_of_version
from models.graph.store import TemporalGraph
from models.graph.subgraph import edge_rows, subgraph_of
from models.graph.tree import Tree

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData
    from torch_geometric.loader import LinkLoader, NodeLoader
    from torch_geometric.sampler import EdgeSamplerInput, HeteroSamplerOutput, NegativeSampling, NodeSamplerInput


class TreeSampler:
    """PyG's ``BaseSampler`` over a ``Sampler``: disjoint, temporal, deterministic.

    A branch along (member, clicked, item) becomes edges of (item, rev_clicked, member): PyG's messages flow from source
    to target. A node at two places of a tree becomes two nodes. ``edge`` holds rows of ``graph.edges``, the edge ids of
    ``to_structure`` and ``to_hetero_data``; PageRank branches have no stored edges and so no ids.
    """

    edge_permutation = None

    def __init__(self, sampler: Sampler, draw: int = 0) -> None:
        """``draw``: selects what the random strategies draw; change it from epoch to epoch."""
        from torch_geometric.sampler import BaseSampler  # takes seconds to import, so it is no base class

        BaseSampler.register(TreeSampler)
        self.sampler, self.draw = sampler, draw
        self.rows = edge_rows(sampler.graph)
        self.existence = {name: Existence(name, node) for name, node in sampler.graph.nodes.items()}

    def sample_from_nodes(self, index: "NodeSamplerInput", **_: Any) -> "HeteroSamplerOutput":
        """One tree per node as of its time (int64 microseconds). Raises QueryError."""
        node, time = index.node.to(self.sampler.graph.device), self._times(index.time)
        out = self._sample([(index.input_type, node, time, torch.arange(len(node), device=node.device))])
        out.metadata = (index.input_id, index.time)
        return out

    def sample_from_edges(
        self, index: "EdgeSamplerInput", neg_sampling: "NegativeSampling | None" = None
    ) -> "HeteroSamplerOutput":
        """Two trees per pair as of its time, one of its source and one of its target, with the pair's number.

        Negatives get the number and time of a positive pair, and exist before that time. Raises QueryError.
        """
        device, time = self.sampler.graph.device, self._times(index.time)
        source_type, _, target_type = index.input_type
        source, target, label, count = index.row.to(device), index.col.to(device), index.label, len(index.row)
        extra = 0 if neg_sampling is None else math.ceil(count * neg_sampling.amount)
        pair = torch.arange(count + extra, device=device) % count
        drawn = time[pair[count:]]
        if neg_sampling is not None:
            target = torch.cat([target, self.existence[target_type].draw(drawn, neg_sampling.dst_weight)])
        if neg_sampling is not None and neg_sampling.is_binary():
            source = torch.cat([source, self.existence[source_type].draw(drawn, neg_sampling.src_weight)])
            label = torch.ones(count) if label is None else label
            label = torch.cat([label, label.new_zeros(extra, *label.shape[1:])])
        of_source = pair[: len(source)]
        out = self._sample([(source_type, source, time[of_source], of_source), (target_type, target, time[pair], pair)])
        first = torch.arange(len(source), device=device)
        second = torch.arange(len(target), device=device) + (len(source) if source_type == target_type else 0)
        if neg_sampling is not None and neg_sampling.is_triplet():
            negative = second[count:].view(int(neg_sampling.amount), count).t()
            negative = negative.squeeze(1) if neg_sampling.amount == 1 else negative
            out.metadata = (index.input_id, first, second[:count], negative, index.time)
        else:
            out.metadata = (index.input_id, torch.stack([first, second]), label, time[pair])
        return out

    def _sample(self, seeds: list[tuple[str, Tensor, Tensor, Tensor]]) -> "HeteroSamplerOutput":
        """The trees of (node type, nodes, times, seed numbers) as one disjoint subgraph."""
        from torch_geometric.sampler import HeteroSamplerOutput

        trees: list[tuple[Tree, Tensor]] = []
        for node, index, time, number in seeds:
            if bool((index < 0).any()):
                raise QueryError(
                    f"seeds of type {node!r}: expected known nodes, PyG has no others; found -1. Leave these out"
                )
            trees.append((self.sampler.tree(node, index, time, self.draw), number))
        found = subgraph_of(self.sampler.schema, self.sampler.hops, self.rows, trees)
        return HeteroSamplerOutput(
            node=found.node,
            row=found.row,
            col=found.col,
            edge=found.edge,
            batch=found.batch,
            num_sampled_nodes=found.nodes_per_hop,
            num_sampled_edges=found.edges_per_hop,
        )

    def _times(self, time: Tensor | None) -> Tensor:
        if time is None:
            raise QueryError(
                "time: expected the moment of each seed, int64 microseconds; found None. Give the loader input_time "
                "(edge_label_time for pairs)"
            )
        return time.to(self.sampler.graph.device)


def as_of_features(graph: TemporalGraph) -> Callable[["HeteroData"], "HeteroData"]:
    """A transform for PyG's loaders that adds every node's features as of its seed's time.

    Each node gets the ``read_features`` of its last version strictly before its seed's time; each edge gets ``delta``:
    seconds from the edge to its seed's time, float32. Existing values under these names are replaced.
    """
    return partial(_fill, graph)


def node_loader(
    sampler: Sampler,
    node: str,
    index: Tensor,
    time: Tensor,
    transform: Callable[["HeteroData"], "HeteroData"] | None = None,
    **options: Any,
) -> "NodeLoader":
    """PyG's ``NodeLoader`` over the nodes ``index`` (n,) as of ``time`` (n,), both int64 on the CPU.

    Features are as of each seed (``as_of_features``), then ``transform``. ``options`` are those of ``NodeLoader`` and
    ``DataLoader``: batch_size, shuffle, num_workers (0 if the graph is on a GPU), ... Raises QueryError.
    """
    from torch_geometric.loader import NodeLoader

    _check(index, time)
    return NodeLoader(
        to_structure(sampler.graph),
        node_sampler=TreeSampler(sampler),
        input_nodes=(node, index),
        input_time=time,
        transform=_transform(sampler.graph, transform),
        **options,
    )


def link_loader(
    sampler: Sampler,
    edge: EdgeName,
    pairs: Tensor,
    time: Tensor,
    label: Tensor | None = None,
    transform: Callable[["HeteroData"], "HeteroData"] | None = None,
    **options: Any,
) -> "LinkLoader":
    """PyG's ``LinkLoader`` over ``pairs`` (2, n) of source and target nodes as of ``time`` (n,), int64 on the CPU.

    ``edge``: (source type, any name, target type). ``options`` as for ``node_loader``, and ``neg_sampling``: "binary",
    "triplet" or a ``NegativeSampling``, with negatives that exist at the pair's time. Raises QueryError.
    """
    from torch_geometric.loader import LinkLoader

    _check(pairs[0], time)
    return LinkLoader(
        to_structure(sampler.graph),
        link_sampler=TreeSampler(sampler),
        edge_label_index=(edge, pairs),
        edge_label=label,
        edge_label_time=time,
        transform=_transform(sampler.graph, transform),
        **options,
    )


def _check(index: Tensor, time: Tensor) -> None:
    if index.shape != time.shape:
        raise QueryError(f"time: expected one per seed, {tuple(index.shape)}; found {tuple(time.shape)}")


def _transform(graph: TemporalGraph, then: Callable[["HeteroData"], "HeteroData"] | None) -> Any:
    from torch_geometric.transforms import Compose

    return as_of_features(graph) if then is None else Compose([as_of_features(graph), then])


def _fill(graph: TemporalGraph, data: "HeteroData") -> "HeteroData":
    moment = _seed_time(data).to(graph.device)
    time = {node.name: moment[data[node.name].batch] for node in graph.schema.nodes}
    for name, node in graph.nodes.items():
        data[name].update(read_features(node, as_of_version(node, data[name].n_id, time[name])))
    for edge in graph.schema.edges:
        store = data[edge.source, edge.name, edge.target]
        age = time[edge.target][store.edge_index[1]] - store.time
        store.delta = (age.double() * 1e-6).float()  # as in Branch.delta
    return data


def _seed_time(data: "HeteroData") -> Tensor:
    """The time of every seed number in ``batch``, (seeds,), from where PyG's loaders store it."""
    for store in data.node_stores:
        if "seed_time" in store:
            return store.seed_time
    return next(store.edge_label_time for store in data.edge_stores if "edge_label_time" in store)
