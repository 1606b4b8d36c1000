"""GraphSAGE without time (Hamilton, Ying, Leskovec 2017): the mean of uniformly sampled neighbors in a static graph.

THE STATIC GRAPH AND LEAKS. A graph of all edges would contain the click to be predicted, and with it the label.
Each row therefore sees a snapshot as of the start of its own day in the product's time zone, like a system that
rebuilds its graph every night: at no hop an edge or a feature version at or after that midnight. That holds for
training, validation and test rows alike, so that no row sees its own outcome (settled after the row, hence after
midnight), nor that of any other row of its day, and training sees the same kind of graph as evaluation. In the frozen
state the member's side is a snapshot as of ``frozen_time`` if that is earlier. Within a snapshot old and new edges are
alike: neighbors are sampled uniformly and edges have no age.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.baselines.features import Features, NodeInputs, perceptron
from models.configs.model import ModelConfig
from models.graph.sample import Sampler
from models.graph.schema import GraphSchema
from models.graph.tree import Branch, Tree
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding
from models.nn.sage import TreeSage
from models.time_units import DAY
from models.training.batches import Batch

SIZES = ModelConfig(width=64, dropout=0.1, head_width=64)
_HOPS = 2


class SageRanker(nn.Module):
    """Two layers of mean aggregation around member and item, then a perceptron on their output and all features."""

    activities = 1

    def __init__(self, schema: GraphSchema, encoding: Encoding) -> None:
        super().__init__()
        self.schema = _static(schema)
        self.features = Features(schema, encoding)
        self.inputs = NodeInputs(SIZES, schema, encoding)
        sizes = {node.name: SIZES.width for node in schema.nodes}
        self.sage = TreeSage(self.schema, sizes, SIZES.width, layers=_HOPS)
        self.head = perceptron(
            3 * SIZES.width + self.features.width, len(schema.seeds.tasks), SIZES.head_width, SIZES.dropout
        )

    def forward(self, encoded: EncodedGraph, batch: Batch) -> Tensor:
        """Logits (B, T). In training, every batch resamples neighbors of its snapshots."""
        table = self.inputs(encoded)
        draw = int(torch.randint(2**31, ())) if self.training else 0
        member, item = (self.sage(of_states(encoded, tree), table) for tree in self.trees(encoded, batch, draw))
        return self.head(torch.cat([member, item, member * item, self.features(encoded, batch)], dim=1))

    def trees(self, encoded: EncodedGraph, batch: Batch, draw: int = 0) -> tuple[Tree, Tree]:
        """The neighborhoods of member and item in each seed's snapshot."""
        midnight = start_of_day(batch.item.time, self.schema.seeds.timezone_offset)
        graph = replace(encoded.graph, schema=_static(encoded.graph.schema))
        sampler = Sampler(graph, hops=_HOPS)
        return (
            sampler.tree(batch.member.node, batch.member.index, torch.minimum(midnight, batch.member.time), draw),
            sampler.tree(batch.item.node, batch.item.index, midnight, draw),
        )


def start_of_day(time: Tensor, offset: int) -> Tensor:
    """The last local midnight at or before ``time``, int64 microseconds UTC of any shape.

    ``offset``: microseconds to add to UTC to get local time.
    """
    return (time + offset) // DAY * DAY - offset


def of_states(encoded: EncodedGraph, tree: Tree) -> Tree:
    """The tree with states of ``EncodedNodes`` (numbered within their type) instead of nodes, known or not."""
    targets = encoded.graph.schema.targets

    def state(node: str, index: Tensor, time: Tensor) -> Tensor:
        return encoded.node_state(node, index, time) - encoded.nodes[node].first

    def below(branches: dict[str, Branch]) -> dict[str, Branch]:
        return {
            name: replace(b, index=state(targets[name], b.index, b.time), branches=below(b.branches))
            for name, b in branches.items()
        }

    return replace(tree, index=state(tree.node, tree.index, tree.time), branches=below(tree.branches))


def _static(schema: GraphSchema) -> GraphSchema:
    """The schema with uniform sampling (a graph without time has no latest edges) and without PageRanks."""
    return replace(schema, edges=tuple(replace(edge, strategy="uniform") for edge in schema.edges), pageranks=())
