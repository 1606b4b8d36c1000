"""Rows that share one pass over their member's history: each as a candidate with a moment of its own."""

from typing import NamedTuple, cast

import torch
from torch import Tensor

from models.nn.history.block import Block
from models.nn.history.transformer import HistoryTransformer


class SharedHistory(NamedTuple):
    """S histories of L tokens, and which of them each of B rows reads."""

    tokens: Tensor
    """(S, L, w), 0 where masked."""
    time: Tensor
    """(S, L) int64 microseconds."""
    mask: Tensor
    """(S, L) bool: False for padding."""
    of: Tensor
    """(B,) int64: the row's history; ascending."""
    place: Tensor
    """(B,) int64: the row's place among those of its history, from 0."""
    now: Tensor
    """(B,) int64 microseconds: a row sees what is strictly before it."""
    most: int
    """A row sees so many tokens at most, the last ones."""
    rows: int
    """More than any ``place``."""


def shared_slate(transformer: HistoryTransformer, shared: SharedHistory, candidates: Tensor) -> Tensor:
    """The output at every row's candidate, (B, w), where the row sees its own last tokens and itself.

    ``candidates`` (B, w). Every row has as many places as if it were alone, so that none can tell how much came after
    it.
    """
    history = transformer.encode(shared.tokens, shared.time, shared.mask)
    spread = candidates.new_zeros(len(shared.time), shared.rows, candidates.shape[-1])
    now = shared.time.new_full(spread.shape[:2], torch.iinfo(torch.int64).min)
    spread = spread.index_put((shared.of, shared.place), candidates)
    now[shared.of, shared.place] = shared.now
    seen = history.mask.unsqueeze(1) & (history.time.unsqueeze(1) < now.unsqueeze(2))  # (S, rows, L), in order of time
    place = seen.sum(dim=-1)
    older = seen.sum(dim=-1, keepdim=True) - seen.cumsum(dim=-1)  # visible tokens after each
    hidden = torch.zeros_like(seen, dtype=candidates.dtype).masked_fill(~(seen & (older < shared.most)), -torch.inf)
    if transformer.place is not None:
        spread = spread + transformer.place(place)
    turn = None if transformer.rotary is None else transformer.rotary(place)
    keys, values = (kept.to(spread.dtype) for kept in (history.keys, history.values))
    for layer, block in enumerate(cast("list[Block]", list(transformer.blocks))):
        spread = block.beside(spread, (keys[:, layer], values[:, layer]), hidden.unsqueeze(1), turn)
    return cast(Tensor, transformer.norm(spread)[shared.of, shared.place])
