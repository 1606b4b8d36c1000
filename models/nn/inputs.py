"""``DecoderInputs``: everything that ``Family.forward`` reads of a batch of slates."""

from typing import NamedTuple

from torch import Tensor


class DecoderInputs(NamedTuple):
    """B slates, one per member, of C candidates each. N = activities, w = width, H = rows of a side's tokens."""

    member_tokens: Tensor
    """(B, H, w) float32, as ``Family.member_tokens`` returns them."""
    activity_tokens: Tensor
    """(B, N, w) float32, 0 where masked."""
    activity_age: Tensor
    """(B, N) float32 seconds from the activity to the request, 0 where masked."""
    activity_mask: Tensor
    """(B, N) bool: False for padding."""
    item_tokens: Tensor
    """(B, C, H, w) float32, as ``Family.item_tokens`` returns them."""
    numbers: Tensor
    """(B, C, F) float32: the impressions' scaled numbers and missing flags, as ``Encoding`` gives them."""
    categories: Tensor
    """(B, C, K) int64 category codes, as ``Encoding`` gives them."""
    surface: Tensor
    """(B,) int64, -1 = a surface that the model does not know."""
    hour: Tensor
    """(B,) int64 local hour, 0 to 23."""
    weekday: Tensor
    """(B,) int64 local weekday, 0 = Monday."""
    state_age: Tensor
    """(B,) float32 seconds from the time as of which the member's tokens were read to the request; 0 = fresh."""
    activity_time: Tensor
    """(B, N) int64 microseconds from the request to the activity, below 0; 0 where masked. Exact, unlike the age."""
