"""The Heterogeneous Graph Transformer (Hu et al. 2020): PyG's ``HGTConv`` on subgraphs of our temporal sampler.

Every seed has a disjoint subgraph with nothing at or after its time (in the frozen state, the member's side has nothing
at or after ``frozen_time``): not its own outcome, no later edge, no later feature version. The layers do not use time:
PyG's operator lacks the paper's relative temporal encoding. Fan-outs are the schema's, at most 8.

On a GPU the order of sums over edges varies: two fits with one seed agree up to rounding there, bit by bit on a CPU.
"""

from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from models.baselines.features import Features, NodeInputs, perceptron
from models.configs.model import ModelConfig
from models.graph.hetero import message_type
from models.graph.sample import Sampler
from models.graph.schema import GraphSchema
from models.graph.subgraph import Subgraph, subgraph_of
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding
from models.training.batches import Batch

SIZES = ModelConfig(width=32, layers=2, heads=2, dropout=0.1, head_width=64)
_MOST_NEIGHBOURS = 8


class HgtRanker(nn.Module):
    """Two HGT layers over the neighborhoods of member and item, then a perceptron on their output and all features."""

    activities = 1

    def __init__(self, schema: GraphSchema, encoding: Encoding) -> None:
        from torch_geometric.nn import HGTConv  # seconds to import

        super().__init__()
        self.features = Features(schema, encoding)
        self.inputs = NodeInputs(SIZES, schema, encoding)
        self.edges = [message_type(schema, edge.name) for edge in schema.edges]
        metadata = [node.name for node in schema.nodes], self.edges
        layers = (HGTConv(SIZES.width, SIZES.width, metadata, SIZES.heads) for _ in range(SIZES.layers))
        # Without hops there are no layers: the subgraph is only the root.
        self.layers = nn.ModuleList(layers if self.edges and schema.hops else ())
        self.head = perceptron(
            3 * SIZES.width + self.features.width, len(schema.seeds.tasks), SIZES.head_width, SIZES.dropout
        )

    def forward(self, encoded: EncodedGraph, batch: Batch) -> Tensor:
        """Logits (B, T)."""
        from torch_geometric.utils import trim_to_layer

        around, time = self.subgraph(encoded, batch)
        table = self.inputs(encoded)
        x = {}
        for node, index in around.node.items():
            if len(index):
                state = encoded.node_state(node, index, time[around.batch[node]]) - encoded.nodes[node].first
                x[node] = nn.functional.embedding(state, table[node])
        edges = {name: torch.stack([around.row[name], around.col[name]]) for name in self.edges}
        edges = {name: index for name, index in edges.items() if name[0] in x and name[2] in x}
        for place, layer in enumerate(self.layers):
            if not edges:
                break
            x, edges, _ = trim_to_layer(place, around.nodes_per_hop, around.edges_per_hop, x, edges)
            with batch.item.index.device:  # HGTConv creates indices on the default device
                found = layer(x, edges)
            # Nodes of types without incoming edges keep their vectors.
            x = x | {node: state for node, state in found.items() if state is not None}
        member, item = self.roots(x, batch)
        return cast(Tensor, self.head(torch.cat([member, item, member * item, self.features(encoded, batch)], dim=1)))

    @staticmethod
    def subgraph(encoded: EncodedGraph, batch: Batch) -> tuple[Subgraph, Tensor]:
        """The neighborhoods of the members, numbered 0 to B - 1, and of the items, B to 2 B - 1, and their times.

        A neighborhood contains nothing at or after its time, (2B,) int64 microseconds.
        """
        schema = replace(encoded.graph.schema, pageranks=())
        sampler = Sampler(replace(encoded.graph, schema=schema), hops=SIZES.layers, largest_fan_out=_MOST_NEIGHBOURS)
        number = torch.arange(2 * len(batch.item.index), device=batch.item.index.device)
        sides = zip((batch.member, batch.item), number.chunk(2) if len(number) else (number, number), strict=True)
        trees = [(sampler.tree(side.node, side.index, side.time), of) for side, of in sides]
        return subgraph_of(schema, sampler.hops, {}, trees), torch.cat([batch.member.time, batch.item.time])

    @staticmethod
    def roots(x: dict[str, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
        """The vectors (B, w) of the members and of the items, which come first among the nodes of their types."""
        count, member, item = len(batch.item.index), batch.member.node, batch.item.node
        if not count:
            nothing = batch.numbers.new_zeros(0, SIZES.width)
            return nothing, nothing
        first = count if member == item else 0
        return x[member][:count], x[item][first : first + count]
