"""Attention over a mask from times: SDPA on a CPU, flex_attention on a GPU."""

from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from models.nn.history.visibility import earlier

Seen = Tensor | BlockMask
"""What a token sees: (B, 1, L, L) bool for SDPA, or a block mask for flex_attention."""

_LEAST_DEPTH = 16
"""The narrowest head of flex_attention's GPU kernels."""


def visible(place: Tensor, mask: Tensor, depth: int) -> Seen:
    """What each of the tokens sees, in the form of the attention that is used on their device.

    ``place`` and ``mask`` (B, L) as in ``visibility``; ``depth``: width of a head.
    """
    if place.is_cuda and depth >= _LEAST_DEPTH:
        return block_mask(place, mask)
    return earlier(place, mask)


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Seen) -> Tensor:
    """Attention of (B, heads, L, depth) over what is ``seen`` -> the same shape."""
    if isinstance(seen, Tensor):
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    return _flex()(query, key, value, block_mask=seen)  # type: ignore[no-any-return]


def block_mask(place: Tensor, mask: Tensor) -> BlockMask:
    """``earlier`` as a block mask: blocks in which no token sees another are skipped."""
    batch, length = place.shape

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        seen = (place[row, key] < place[row, query]) & mask[row, key] & mask[row, query]
        return seen | (query == key)

    return create_block_mask(sees, batch, None, length, length, device=str(place.device))


@cache
def _flex() -> Any:
    """Compiled once a process: uncompiled, it would hold all scores."""
    return torch.compile(flex_attention)
