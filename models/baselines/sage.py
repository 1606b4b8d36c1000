"""GraphSAGE without time (Hamilton, Ying, Leskovec 2017): uniform neighbours out of a static graph, their mean.

THE STATIC GRAPH AND LEAKS. A graph of all edges would hold the very click that is to be predicted, and with it the
label. The graph that a row sees is therefore a snapshot taken at the start of the row's own day where the product
lives, as a system would have it that rebuilds its graph every night: no edge at or after that midnight, in no hop, and
no feature version either. That holds for training rows, validation rows and test rows alike, so that no row meets its
own outcome (settled after the row, hence after the midnight), nor that of any other row of its day; and training sees
the same kind of graph as evaluation. In the frozen state the member's side is a snapshot at ``frozen_time`` where that
is earlier. Within a snapshot nothing tells old from new: neighbours are drawn uniformly and edges carry no age.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from models.baselines.features import Features, NodeInputs, perceptron
from models.graph.sample import Sampler
from models.graph.schema import GraphSchema
from models.graph.tree import Branch, Tree
from models.nn.config import ModelConfig
from models.nn.encoded import EncodedGraph
from models.nn.encoding import Encoding
from models.nn.sage import TreeSage
from models.training.batches import Batch

SIZES = ModelConfig(width=64, dropout=0.1, head_width=64)
_HOPS = 2
_DAY = 86_400_000_000


class SageRanker(nn.Module):
    """Two rounds of mean aggregation around member and item, then a perceptron that also reads all features."""

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
        """Logits (B, T). In training the neighbours of a snapshot are drawn anew for every batch."""
        table = self.inputs(encoded)
        draw = int(torch.randint(2**31, ())) if self.training else 0
        member, item = (self.sage(of_states(encoded, tree), table) for tree in self.trees(encoded, batch, draw))
        return self.head(torch.cat([member, item, member * item, self.features(encoded, batch)], dim=1))

    def trees(self, encoded: EncodedGraph, batch: Batch, draw: int = 0) -> tuple[Tree, Tree]:
        """Member's and item's neighbourhoods in the snapshot of each seed."""
        midnight = start_of_day(batch.item.time, self.schema.seeds.timezone_offset)
        graph = replace(encoded.graph, schema=_static(encoded.graph.schema))
        sampler = Sampler(graph, hops=_HOPS)
        return (
            sampler.tree(batch.member.node, batch.member.index, torch.minimum(midnight, batch.member.time), draw),
            sampler.tree(batch.item.node, batch.item.index, midnight, draw),
        )


def start_of_day(time: Tensor, offset: int) -> Tensor:
    """The local midnight at or before moments, int64 microseconds UTC; ``offset`` microseconds to local time."""
    return (time + offset) // _DAY * _DAY - offset


def of_states(encoded: EncodedGraph, tree: Tree) -> Tree:
    """The tree with states of ``EncodedNodes``, numbered within their type, instead of nodes: the unknown one too."""
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
    """Uniform neighbours, whatever the spec says: a graph without time knows no latest ones. No PageRanks."""
    return replace(schema, edges=tuple(replace(edge, strategy="uniform") for edge in schema.edges), pageranks=())
