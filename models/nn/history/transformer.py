"""The sequential ranker's transformer (Feed SR, arXiv 2602.12354): a member's tokens, then a slate in one pass.

A token sees itself and the tokens of strictly earlier times. A candidate of a request sees the history before the
request and itself. So a slate of C candidates equals C sequences of which each ends with one of them, and the history
is computed once.
"""

from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.nn.errors import ModelError
from models.nn.history.attention import visible
from models.nn.history.block import Block
from models.nn.history.rotary import Rotary, Turn
from models.nn.history.visibility import Ordered, before
from models.nn.start import reset_children

Positions = Literal["rope", "learned", "none"]

_START = 0.02
"""Deviation at which learned positions start."""


class EncodedHistory(NamedTuple):
    """What a slate reads of a member: keys and values of every layer, in order of time, padding first.

    It may be kept in half precision: a slate computes in the type of its candidates.
    """

    keys: Tensor
    """(B, layers, heads, L, depth), turned by their places where positions are rotary."""
    values: Tensor
    """(B, layers, heads, L, depth)."""
    time: Tensor
    """(B, L) int64 microseconds, those of padding undefined."""
    mask: Tensor
    """(B, L) bool: False for padding."""


class HistoryTransformer(nn.Module):
    """A pre-norm decoder over times. Positions are places in the history; tokens of one time share a place."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float, positions: Positions, longest: int) -> None:
        """``width``: a multiple of ``heads`` (with rotary positions, of 2 ``heads``); ``longest``: tokens at most.

        Raises ModelError for other sizes.
        """
        super().__init__()
        step = 2 * heads if positions == "rope" else heads
        if heads < 1 or width < 1 or width % step:
            raise ModelError(
                f"width: expected a multiple of {step} for {heads} heads and positions {positions!r}; found {width}. "
                "Change width or heads"
            )
        self.width, self.heads, self.longest = width, heads, longest
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.rotary = Rotary(width // heads, longest) if positions == "rope" else None
        self.place = nn.Embedding(longest + 1, width) if positions == "learned" else None
        if self.place is not None:
            nn.init.normal_(self.place.weight, std=_START)

    def reset_parameters(self) -> None:
        """Reinitialize all weights."""
        reset_children(self)
        if self.place is not None:
            nn.init.normal_(self.place.weight, std=_START)

    def forward(self, tokens: Tensor, time: Tensor, mask: Tensor) -> Tensor:
        """The output at every token, (B, L, w); 0 at padding.

        ``tokens`` (B, L, w) float, ``time`` (B, L) int64 microseconds in any order, ``mask`` (B, L) bool: False for
        padding, whose content and time are not read. Raises ModelError for more than ``longest`` tokens.
        """
        ordered = self._ordered(time, mask)
        tokens, turn = self._enter(ordered.arrange(tokens), ordered.place)
        seen = visible(ordered.place, self.width // self.heads)
        for block in self._layers:
            tokens = block(tokens, block.read(tokens, turn), seen)
        return ordered.restore(self.norm(tokens))

    def encode(self, tokens: Tensor, time: Tensor, mask: Tensor) -> EncodedHistory:
        """Keys and values of every layer, once for all slates.

        ``tokens`` (B, L, w), ``time`` and ``mask`` (B, L) are as of ``forward``. On a CPU padding that members share is
        cut off; at least one token is left.
        """
        if not torch.jit.is_tracing() and not time.shape[1]:
            tokens, time, mask = (
                functional.pad(tokens, (0, 0, 0, 1)),
                functional.pad(time, (0, 1)),
                functional.pad(mask, (0, 1)),
            )
        ordered = self._ordered(time, mask).trimmed()
        tokens, turn = self._enter(ordered.arrange(tokens), ordered.place)
        seen = visible(ordered.place, self.width // self.heads)
        found = []
        for layer, block in enumerate(self._layers):
            parts = block.read(tokens, turn)
            found.append(parts)
            if layer < len(self.blocks) - 1:  # no slate reads the last layer's output
                tokens = block(tokens, parts, seen)
        keys, values = (torch.stack([getattr(parts, name) for parts in found], dim=1) for name in ("key", "value"))
        return EncodedHistory(keys, values, ordered.time, ordered.mask)

    def slate(self, history: EncodedHistory, candidates: Tensor, now: Tensor) -> Tensor:
        """The output at every candidate, (B, C, w), as if it alone had been shown at ``now``.

        ``candidates`` (B, C, w), ``now`` (B,) int64 microseconds: history at or after it is not seen.
        """
        seen = before(history.time, history.mask, now)  # (B, L)
        tokens, turn = self._enter(candidates, seen.sum(dim=1, keepdim=True))
        hidden = torch.zeros_like(seen, dtype=candidates.dtype).masked_fill(~seen, -torch.inf)[:, None, None, :]
        keys, values = (kept.to(candidates.dtype) for kept in (history.keys, history.values))
        for layer, block in enumerate(self._layers):
            tokens = block.beside(tokens, (keys[:, layer], values[:, layer]), hidden, turn)
        return cast(Tensor, self.norm(tokens))

    @property
    def _layers(self) -> list[Block]:
        return cast("list[Block]", list(self.blocks))

    def _ordered(self, time: Tensor, mask: Tensor) -> Ordered:
        """The tokens in order of time, after a look at their number."""
        if not torch.jit.is_tracing() and time.shape[1] > self.longest:
            raise ModelError(
                f"history: expected at most {self.longest} tokens a member; found {time.shape[1]}. "
                "Leave out the oldest, or build the model with a larger longest"
            )
        return Ordered.of(time, mask)

    def _enter(self, tokens: Tensor, place: Tensor) -> tuple[Tensor, Turn | None]:
        """The first layer's input, and the turn of queries and keys; ``place`` (B, L) or (B, 1)."""
        if self.place is not None:
            tokens = tokens + self.place(place)
        return tokens, None if self.rotary is None else self.rotary(place)
