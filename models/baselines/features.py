"""Input features of all baseline networks: those of the impression, its member and its item."""

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.graph.schema import GraphSchema, NodeType
from models.nn.age import age_features
from models.nn.context import HOUR_WIDTH, HOURS, MOMENT_WIDTH, SURFACE_WIDTH, WEEKDAY_WIDTH, WEEKDAYS
from models.nn.encoded import EncodedGraph, EncodedNodes
from models.nn.encoders import CategoryEmbedding, IdEmbedding, NodeEncoder
from models.nn.encoding import Encoding, FeatureEncoding
from models.training.batches import Batch

_ID_WIDTH = 16


class Features(nn.Module):
    """Concatenated features of impression, member and item, with embeddings of categories and ids."""

    def __init__(self, schema: GraphSchema, encoding: Encoding) -> None:
        super().__init__()
        member, item = schema.seeds.member, schema.seeds.item
        self.names = (member, item)
        self.member = _NodeFeatures(schema.node(member), encoding.nodes[member])
        self.item = _NodeFeatures(schema.node(item), encoding.nodes[item])
        self.categories = CategoryEmbedding(encoding.impression.vocabularies)
        self.surface = nn.Embedding(len(encoding.surfaces) + 1, SURFACE_WIDTH)
        self.hour, self.weekday = nn.Embedding(HOURS, HOUR_WIDTH), nn.Embedding(WEEKDAYS, WEEKDAY_WIDTH)
        own = encoding.impression.dense_width + self.categories.width + MOMENT_WIDTH
        self.width = own + self.member.width + self.item.width

    def forward(self, encoded: EncodedGraph, batch: Batch) -> Tensor:
        """Feature vectors (B, width) of the batch's impressions."""
        member, item = self.names
        return torch.cat(
            [
                batch.numbers.squeeze(1),
                self.categories(batch.categories.squeeze(1)),
                self.surface(batch.surface + 1),
                self.hour(batch.hour),
                self.weekday(batch.weekday),
                age_features(batch.state_age),
                self.member(encoded.nodes[member], encoded.node_state(member, batch.member.index, batch.member.time)),
                self.item(encoded.nodes[item], encoded.node_state(item, batch.item.index, batch.item.time)),
            ],
            dim=1,
        )


class _NodeFeatures(nn.Module):
    """A node's own features, and an id embedding if the spec has buckets for it."""

    def __init__(self, node: NodeType, features: FeatureEncoding) -> None:
        super().__init__()
        self.categories = CategoryEmbedding(features.vocabularies)
        self.identity = IdEmbedding(node.id_buckets, _ID_WIDTH, dropout=0.1) if node.id_buckets else None
        self.width = features.dense_width + len(features.vector_means) + self.categories.width
        self.width += _ID_WIDTH if self.identity else 0

    def forward(self, nodes: EncodedNodes, state: Tensor) -> Tensor:
        """Feature vectors (B, width) of states (B,), numbered over all node types."""
        row = state - nodes.first
        parts = [nodes.numbers[row], self.categories(nodes.categories[row])]
        if self.identity is not None:
            parts.append(self.identity(nodes.id_hash[row]))
        return torch.cat(parts, dim=1)


class NodeInputs(nn.Module):
    """Input vectors of all nodes from their features and hashed ids."""

    def __init__(self, sizes: ModelConfig, schema: GraphSchema, encoding: Encoding) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(
            {node.name: NodeEncoder(sizes, node, encoding.nodes[node.name]) for node in schema.nodes}
        )

    def forward(self, encoded: EncodedGraph) -> dict[str, Tensor]:
        """Input vectors (states, w) by node type, one row per state of ``EncodedNodes``."""
        return {node: self.encoders[node](nodes) for node, nodes in encoded.nodes.items()}


def perceptron(inputs: int, outputs: int, width: int, dropout: float) -> nn.Sequential:
    """Two hidden layers of ``2 * width`` and ``width`` units: (B, inputs) -> (B, outputs)."""
    return nn.Sequential(
        nn.Linear(inputs, 2 * width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(2 * width, width),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(width, outputs),
    )
