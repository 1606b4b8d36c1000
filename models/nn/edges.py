"""Edge features: presence, age, weight and attributes of an edge."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.configs.model import ModelConfig
from models.graph.tree import Branch
from models.nn.encoded import EncodedEdges
from models.nn.encoders import CategoryEmbedding
from models.nn.encoding import Encoding, FeatureEncoding

EDGE_FEATURES = 4
"""Features of every edge: 1, logarithm of its age, the same squared, logarithm of its weight."""
ATTRIBUTES = 8
"""Width of an edge's encoded attributes."""
_MONTH = math.log1p(30 * 86_400)


def edge_features(branch: Branch) -> Tensor:
    """(parents, fan_out, EDGE_FEATURES) float32; zeros where masked."""
    age = branch.delta.log1p() * (2 / _MONTH) - branch.mask.float()  # about -1 to 1
    return torch.stack([branch.mask.float(), age, age * age, branch.weight.clamp(min=0).log1p()], dim=-1)


def attributes_of(config: ModelConfig, encoding: Encoding, edge: str) -> FeatureEncoding | None:
    """The attributes of an edge type that the model reads; None where there are none, as for a PageRank."""
    found = encoding.edge(edge) if config.edge_attributes else None
    return found if found and (found.numbers or found.categories) else None


class AttributeEncoder(nn.Module):
    """A linear map of one edge type's attributes with ReLU, so that it can tell ranges of a number apart."""

    def __init__(self, features: FeatureEncoding) -> None:
        super().__init__()
        self.categories = CategoryEmbedding(features.vocabularies, ATTRIBUTES)
        self.map = nn.Linear(features.dense_width + self.categories.width, ATTRIBUTES)

    def forward(self, edges: EncodedEdges, row: Tensor) -> Tensor:
        """(..., ATTRIBUTES) float32 of the rows ``row`` (...) int64."""
        numbers = functional.embedding(row, edges.numbers)
        return self.map(torch.cat([numbers, self.categories(edges.categories[row])], dim=-1)).relu()


class EdgeEncoder(nn.Module):
    """All features of the edges of one type, ``width`` numbers each."""

    def __init__(self, features: FeatureEncoding | None) -> None:
        super().__init__()
        self.attributes = AttributeEncoder(features) if features else None
        self.width = EDGE_FEATURES + (ATTRIBUTES if features else 0)

    def forward(self, branch: Branch, edges: EncodedEdges | None) -> Tensor:
        """(parents, fan_out, width); zeros where masked. ``edges``: those of the branch's type; None for a PageRank."""
        features = edge_features(branch)
        if self.attributes is None or edges is None:
            return features
        return torch.cat([features, self.attributes(edges, branch.row) * branch.mask.unsqueeze(-1)], dim=-1)
