"""Node inputs: numbers, categories, vectors and a hashed ID embedding, as one vector of the model's width."""

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.graph.schema import NodeType
from models.nn.encoded import EncodedNodes
from models.nn.encoding import FeatureEncoding
from models.nn.semantic_codes import SemanticCodes
from models.nn.start import CommonSpace, reset_children

_CATEGORY_WIDTH = 16
_COLD, _UNKNOWN = 0.1, 0.02
"""Deviations at which the cold ID embedding and the unknown node's vector start."""


class CategoryEmbedding(nn.Module):
    """Embeddings of several categories, concatenated. Code 0 (missing or unknown) is learned as well."""

    def __init__(self, vocabularies: tuple[tuple[str, ...], ...], width: int = _CATEGORY_WIDTH) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(len(values) + 1, width) for values in vocabularies)
        self.width = width * len(self.tables)

    def forward(self, codes: Tensor) -> Tensor:
        """(..., categories) int64 -> (..., width)."""
        if not len(self.tables):
            return torch.zeros(*codes.shape[:-1], 0, device=codes.device)
        return torch.cat([table(codes[..., place]) for place, table in enumerate(self.tables)], dim=-1)


class IdEmbedding(nn.Module):
    """A hashed embedding of the node's key, on top of a learned cold one.

    A bucket is zero until training sees it, so a node that was never seen has the cold embedding. Bucket 0 belongs to
    the unknown node (hash -1) and, in training, to a random share of all nodes (``dropout``).
    """

    def __init__(self, buckets: int, width: int, dropout: float) -> None:
        super().__init__()
        self.buckets, self.dropout = buckets, dropout
        self.cold = nn.Parameter(torch.randn(width) * _COLD)
        self.table = nn.Embedding(buckets + 1, width, padding_idx=0)
        nn.init.zeros_(self.table.weight)

    def reset_parameters(self) -> None:
        """Reinitialize the cold embedding and zero the buckets."""
        nn.init.normal_(self.cold, std=_COLD)
        nn.init.zeros_(self.table.weight)

    def forward(self, id_hash: Tensor) -> Tensor:
        """(n,) int64 hashes, below 0 = none -> (n, width)."""
        bucket = torch.where(id_hash >= 0, id_hash % max(self.buckets, 1) + 1, 0)
        if not self.buckets:
            bucket = torch.zeros_like(bucket)
        if self.training and self.dropout:
            bucket = bucket * (torch.rand(bucket.shape, device=bucket.device) >= self.dropout)
        return self.cold + self.table(bucket)


class NodeEncoder(nn.Module):
    """Input of one node type: the layer-normalized sum of an MLP over numbers and categories, vectors, and embeddings
    of its ID and its semantic IDs.

    Vectors of one size are assumed to share one space (the same text model, say): they start in a common one, also
    across node types, and training may move them apart.
    """

    def __init__(self, config: ModelConfig, node: NodeType, features: FeatureEncoding) -> None:
        super().__init__()
        width = config.width
        self.semantic = SemanticCodes(node, features, width)
        self.categories = CategoryEmbedding(self.semantic.others.vocabularies)
        self.dense = features.dense_width + self.categories.width
        layers = nn.Sequential(nn.Linear(max(self.dense, 1), 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.features = layers if self.dense else None
        self.sizes = [column.size for column in node.features if column.kind == "vector"]
        self.vectors = nn.ModuleList(CommonSpace(size, width) for size in self.sizes)
        self.identity = IdEmbedding(node.id_buckets if config.id_embeddings else 0, width, config.id_dropout)
        self.unknown = nn.Parameter(torch.randn(width) * _UNKNOWN)
        self.norm = nn.LayerNorm(width)

    def reset_parameters(self) -> None:
        """Reinitialize all weights."""
        reset_children(self)
        nn.init.normal_(self.unknown, std=_UNKNOWN)

    def forward(self, nodes: EncodedNodes, rows: Tensor | None = None) -> Tensor:
        """(n, width): the inputs of the states ``rows`` (n,) within the type; None = of all states, in order."""
        numbers, categories, id_hash = nodes.numbers, nodes.categories, nodes.id_hash
        if rows is not None:
            numbers, categories, id_hash = numbers[rows], categories[rows], id_hash[rows]
        x = self.identity(id_hash) + (id_hash == -1).unsqueeze(1) * self.unknown
        plain = numbers.shape[1] - sum(self.sizes)
        if self.features is not None:
            x = x + self.features(torch.cat([numbers[:, :plain], self.categories(categories)], dim=1))
        if self.semantic.levels:
            x = x + self.semantic(categories)
        for layer, vector in zip(self.vectors, numbers[:, plain:].split(self.sizes, dim=1), strict=True):
            x = x + layer(vector)
        return self.norm(x)
