"""Profiles: a node's plain features, stored next to its tokens.

Tokens are normalized and mixed, which blurs how often exactly a member watched to the end. So the numbers and category
codes of member and item are stored next to the tokens, as rows of the same width, and the cross network multiplies them
with the counters.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.nn.encoded import EncodedNodes
from models.nn.encoders import CategoryEmbedding
from models.nn.encoding import FeatureEncoding

_CATEGORY_WIDTH = 8


class Profile(nn.Module):
    """Packs numbers and categories of one node type as rows of the tokens' width, and reads them back.

    Its only weights embed the categories.
    """

    def __init__(self, features: FeatureEncoding, width: int, on: bool = True) -> None:
        super().__init__()
        self.width = width
        self.numbers = features.dense_width if on else 0
        self.codes = len(features.categories) if on else 0
        self.categories = CategoryEmbedding(features.vocabularies if on else (), _CATEGORY_WIDTH)
        self.last_codes: Tensor
        sizes = [len(values) for values in features.vocabularies] if on else []
        self.register_buffer("last_codes", torch.tensor(sizes, dtype=torch.int64), persistent=False)
        self.rows = -(-(self.numbers + self.codes) // width)
        """Rows of the tokens' width; 0 where switched off."""
        self.outputs = self.numbers + self.categories.width
        """Columns of ``forward``."""

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

    def forward(self, rows: Tensor) -> Tensor:
        """(..., rows, w) float32 -> (..., outputs): numbers, then the embedded categories."""
        flat = rows.flatten(-2)
        # Rows come from a store: an invalid code must not fail a request.
        codes = flat[..., self.numbers : self.numbers + self.codes].long().clamp(min=0).minimum(self.last_codes)
        return torch.cat([flat[..., : self.numbers], self.categories(codes)], dim=-1)
