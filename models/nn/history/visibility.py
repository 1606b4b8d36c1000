"""What a token may see: itself, and tokens of strictly earlier times.

A slate is shown at one time, so its items are invisible to each other, as they are when a request is scored.
"""

from typing import NamedTuple

import torch
from torch import Tensor

_FIRST = torch.iinfo(torch.int64).min


class Ordered(NamedTuple):
    """A member's tokens in order of time, padding first; ``L`` is their number with padding."""

    order: Tensor
    """(B, L) int64: where each of them was given."""
    place: Tensor
    """(B, L) int64: how many tokens are strictly earlier. Equal times share a place; that of padding is at least L."""
    time: Tensor
    """(B, L) int64 microseconds, those of padding undefined."""
    mask: Tensor
    """(B, L) bool: False for padding."""

    @classmethod
    def of(cls, time: Tensor, mask: Tensor) -> "Ordered":
        """``time`` (B, L) int64 microseconds in any order, ``mask`` (B, L) bool with padding anywhere."""
        moment, order = time.masked_fill(~mask, _FIRST).sort(dim=-1, stable=True)
        mask = mask.gather(1, order)
        place = (torch.searchsorted(moment, moment) - (~mask).sum(dim=1, keepdim=True)).clamp(min=0)
        return cls(order, place.masked_fill(~mask, time.shape[1]), moment, mask)

    def trimmed(self) -> "Ordered":
        """Without the padding that all rows share, but for one token where there are no others; (B, L') each.

        The histories of one request are often much shorter than the longest there may be. A GPU would have to wait for
        the number, so there nothing is cut off.
        """
        if self.mask.is_cuda or torch.compiler.is_compiling():
            return self
        shared = (~self.mask).all(dim=0).sum().clamp(max=self.mask.shape[1] - 1)
        return Ordered(*(part[:, shared:] for part in self))

    def arrange(self, tokens: Tensor) -> Tensor:
        """``tokens`` (B, L, w) as given -> in order of time, 0 where padding is, whatever it held."""
        found = tokens.gather(1, self.order.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
        return found.masked_fill(~self.mask.unsqueeze(-1), 0)

    def restore(self, outputs: Tensor) -> Tensor:
        """``outputs`` (B, L, w) in order of time -> as given, 0 at padding."""
        found = outputs.masked_fill(~self.mask.unsqueeze(-1), 0)
        return found.gather(1, self.order.argsort(dim=-1).unsqueeze(-1).expand_as(found))


def earlier(place: Tensor, start: int, stop: int) -> Tensor:
    """(B, 1, stop - start, stop) bool: whether the token of the row sees that of the column; each sees itself.

    ``place`` (B, L) as in ``Ordered``; the rows are its tokens from ``start`` to before ``stop``, which see no token
    after these. Padding sees itself alone, and is seen by itself alone.
    """
    row = torch.arange(start, stop, device=place.device).unsqueeze(1)
    own = row == torch.arange(stop, device=place.device)
    return ((place[:, None, :stop] < lookout(place)[:, start:stop, None]) | own).unsqueeze(1)


def lookout(place: Tensor) -> Tensor:
    """(B, L): a token sees those whose ``place`` (B, L) is below this. Its own place; 0 for padding."""
    return place.masked_fill(place >= place.shape[1], 0)


def before(time: Tensor, mask: Tensor, now: Tensor) -> Tensor:
    """(B, L) bool: the unmasked tokens strictly before ``now`` (B,) int64 microseconds."""
    return mask & (time < now.unsqueeze(1))
