"""What a token may see: itself, and tokens of strictly earlier times.

A slate is shown at one time, so its items are invisible to each other, as they are when a request is scored.
"""

import torch
from torch import Tensor

_NEVER = torch.iinfo(torch.int64).max


def places(time: Tensor, mask: Tensor) -> Tensor:
    """How many unmasked tokens are strictly earlier than each token, (B, L) int64; equal times share one place.

    ``time`` (B, L) int64 in any order, ``mask`` (B, L) bool: False for padding, whose place is the number of tokens.
    """
    moment = time.masked_fill(~mask, _NEVER).contiguous()
    return torch.searchsorted(moment.sort(dim=-1).values, moment)


def earlier(place: Tensor, mask: Tensor) -> Tensor:
    """(B, 1, L, L) bool: True where the row's token sees the column's. Every token, padding too, sees itself.

    ``place`` as ``places`` returns it. Padding is seen by no other token, and sees none.
    """
    own = torch.eye(place.shape[1], dtype=torch.bool, device=place.device)
    seen = (place.unsqueeze(1) < place.unsqueeze(2)) & mask.unsqueeze(1) & mask.unsqueeze(2)
    return (seen | own).unsqueeze(1)


def before(time: Tensor, mask: Tensor, now: Tensor) -> Tensor:
    """(B, L) bool: the unmasked tokens strictly before ``now`` (B,) int64 microseconds."""
    return mask & (time < now.unsqueeze(1))
