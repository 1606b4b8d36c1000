"""Profiles: a node's plain features, stored next to its tokens.

Tokens are normalized and mixed, which blurs how often exactly a member watched to the end. So the numbers and category
codes of member and item are stored next to the tokens, as rows of the same width, and the cross network multiplies them
with the counters.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.graph.schema import GraphSchema
from models.graph.tree import Tree
from models.nn.encoded import EncodedGraph, EncodedNodes
from models.nn.encoders import CategoryEmbedding
from models.nn.encoding import Encoding, FeatureEncoding

_CATEGORY_WIDTH = 8


def own_features(schema: GraphSchema, encoding: Encoding, node: str) -> FeatureEncoding:
    """The features of a node type that are stored beside its tokens: all but vectors and the codes of semantic IDs."""
    return encoding.nodes[node].without_last(sum(len(codes) for codes in schema.node(node).semantic))


@dataclass(frozen=True)
class ProfileLayout:
    """How a node's numbers and category codes fill rows of the tokens' width, the last ones of its tokens."""

    numbers: int
    """Columns of the scaled numbers and their missing flags."""
    codes: int
    """Columns of category codes."""
    width: int

    @classmethod
    def of(cls, features: FeatureEncoding, width: int, on: bool = True) -> "ProfileLayout":
        """Of one node type's features; no rows where it is switched off."""
        return cls(features.dense_width if on else 0, len(features.categories) if on else 0, width)

    @property
    def rows(self) -> int:
        """Rows of the tokens' width; 0 where switched off."""
        return -(-(self.numbers + self.codes) // self.width)

    def pack(self, nodes: EncodedNodes, state: Tensor) -> Tensor:
        """(B, rows, w) float32: features of the node states ``state`` (B,) int64, counted within their type.

        Category codes are whole numbers.
        """
        if not self.rows:
            return torch.zeros(len(state), 0, self.width, device=state.device)
        numbers, codes = nodes.numbers[state, : self.numbers], nodes.categories[state, : self.codes].float()
        flat = torch.cat([numbers, codes], dim=1)
        padded = functional.pad(flat, (0, self.rows * self.width - flat.shape[1]))
        return padded.view(len(state), self.rows, self.width)

    def pack_roots(self, encoded: EncodedGraph, tree: Tree) -> Tensor:
        """(B, rows, w) float32: the features of the roots of B trees, as of the trees' times."""
        nodes = encoded.nodes[tree.node]
        return self.pack(nodes, encoded.node_state(tree.node, tree.index, tree.time, tree.cold) - nodes.first)


class Profile(nn.Module):
    """Reads the packed numbers and categories of one node type back.

    Its only weights embed the categories.
    """

    def __init__(self, features: FeatureEncoding, width: int, on: bool = True) -> None:
        super().__init__()
        self.layout = ProfileLayout.of(features, width, on)
        self.categories = CategoryEmbedding(features.vocabularies if on else (), _CATEGORY_WIDTH)
        self.last_codes: Tensor
        sizes = [len(values) for values in features.vocabularies] if on else []
        self.register_buffer("last_codes", torch.tensor(sizes, dtype=torch.int64), persistent=False)
        self.outputs = self.layout.numbers + self.categories.width
        """Columns of ``forward``."""

    def forward(self, rows: Tensor) -> Tensor:
        """(..., rows, w) float32 -> (..., outputs): numbers, then the embedded categories."""
        flat, ends = rows.flatten(-2), self.layout.numbers
        # Rows come from a store: an invalid code must not fail a request.
        codes = flat[..., ends : ends + self.layout.codes].long().clamp(min=0).minimum(self.last_codes)
        return torch.cat([flat[..., :ends], self.categories(codes)], dim=-1)
