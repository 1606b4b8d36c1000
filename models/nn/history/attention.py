"""Attention over a mask from times: SDPA on a CPU, flex_attention on a GPU."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from models.graph.compiler import gpu_compiler
from models.nn.history.visibility import earlier, lookout

Seen = Sequence[Tensor] | BlockMask
"""What each token sees: masks of successive tokens for SDPA, or a block mask for flex_attention."""

_STEP = 128
"""Tokens of one call of SDPA. It reads no token after them: at 1,000 tokens 1.6 times as fast as one call for all."""
_LEAST_DEPTH, _LEAST_LENGTH = 16, 128
"""The narrowest head of flex_attention's GPU kernels, and their block: of fewer tokens nothing could be skipped."""


def visible(place: Tensor, depth: int) -> Seen:
    """What each token sees, in the form of the attention that is used on its device.

    ``place`` (B, L) in order of time, as in ``Ordered``; ``depth``: width of a head.
    """
    fits = place.is_cuda and depth >= _LEAST_DEPTH and len(place) and place.shape[1] >= _LEAST_LENGTH
    if fits and (torch.compiler.is_compiling() or gpu_compiler()):
        return block_mask(place)
    return masks(place)


def masks(place: Tensor) -> list[Tensor]:
    """The masks of SDPA: (B, 1, up to 128, ...) bool of each 128 tokens of ``place`` (B, L), or one for all."""
    length = place.shape[1]
    if torch.jit.is_tracing() or torch.compiler.is_compiling() or place.is_cuda or not length:
        return [earlier(place, 0, length)]  # a loop would fix the length of a trace
    return [earlier(place, start, min(start + _STEP, length)) for start in range(0, length, _STEP)]


def block_mask(place: Tensor) -> BlockMask:
    """The mask of flex_attention for ``place`` (B, L): blocks in which no token sees another are skipped."""
    batch, length = place.shape
    of_key, of_query = place.int(), lookout(place).int()

    def sees(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (of_key[row, key] < of_query[row, query]) | (query == key)

    create = _compiled(create_block_mask, place)
    return create(sees, batch, None, length, length, device=place.device)


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Seen) -> Tensor:
    """Attention of (B, heads, L, depth) over what is ``seen`` -> the same shape."""
    if isinstance(seen, BlockMask):
        return _compiled(flex_attention, query)(query, key, value, block_mask=seen)
    parts, start = [], 0
    for mask in seen:
        rows, stop = mask.shape[-2:]
        parts.append(_sdpa(query.narrow(2, start, rows), key[:, :, :stop], value[:, :, :stop], mask))
        start += rows
    return torch.cat(parts, dim=2) if len(parts) != 1 else parts[0]


def _sdpa(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def _compiled(function: Any, near: Tensor) -> Any:
    """``function``, compiled where ``near`` is on a GPU: uncompiled, it would hold the scores of all pairs."""
    return _once(function) if near.is_cuda and not torch.compiler.is_compiling() else function


@cache
def _once(function: Any) -> Any:
    return torch.compile(function)
