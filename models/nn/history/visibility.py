"""What a token may see: itself, and tokens of strictly earlier times.

A slate is shown at one time, so its items are invisible to each other, as they are when a request is scored.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_NEVER = torch.iinfo(torch.int64).max


class Timeline(NamedTuple):
    """A member's tokens in order of time, padding last."""

    order: Tensor
    """(B, L) int64: where each of them was given."""
    place: Tensor
    """(B, L) int64: how many tokens are strictly earlier. Equal times share a place; padding has the largest."""
    time: Tensor
    """(B, L) int64 microseconds, those of padding undefined."""
    mask: Tensor
    """(B, L) bool: False for padding."""

    @classmethod
    def of(cls, time: Tensor, mask: Tensor) -> "Timeline":
        """``time`` (B, L) int64 microseconds in any order, ``mask`` (B, L) bool with padding anywhere."""
        moment, order = time.masked_fill(~mask, _NEVER).sort(dim=-1, stable=True)
        return cls(order, torch.searchsorted(moment, moment), moment, mask.gather(1, order))

    def arrange(self, tokens: Tensor) -> Tensor:
        """``tokens`` (B, L, w) as given -> in order of time, 0 where padding is, whatever it held."""
        found = tokens.gather(1, self.order.unsqueeze(-1).expand_as(tokens))
        return found.masked_fill(~self.mask.unsqueeze(-1), 0)

    def restore(self, outputs: Tensor) -> Tensor:
        """``outputs`` (B, L, w) in order of time -> as given, 0 at padding."""
        found = outputs.masked_fill(~self.mask.unsqueeze(-1), 0)
        return found.gather(1, self.order.argsort(dim=-1).unsqueeze(-1).expand_as(found))


def earlier(place: Tensor, start: int, stop: int) -> Tensor:
    """(B, 1, stop - start, stop) bool: whether the token of the row sees that of the column; each sees itself.

    ``place`` (B, L) in order of time; the rows are its tokens ``start`` to ``stop``, after which they see none.
    """
    row = torch.arange(start, stop, device=place.device).unsqueeze(1)
    own = row == torch.arange(stop, device=place.device)
    return ((place[:, None, :stop] < place[:, start:stop, None]) | own).unsqueeze(1)


def before(time: Tensor, mask: Tensor, now: Tensor) -> Tensor:
    """(B, L) bool: the unmasked tokens strictly before ``now`` (B,) int64 microseconds."""
    return mask & (time < now.unsqueeze(1))
