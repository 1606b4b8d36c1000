"""Long-term loss: predict a member's next activities from the earlier ones (LiGNN, arXiv 2402.11139).

The paper does not publish the exact form. Here the output at activity N - N2 predicts each of the N2 activities after
it, with one linear map per step, against the same step's activities of other rows (InfoNCE). The output depends on
activities 1 to N - N2 alone.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.configs.model import ModelConfig

_NEGATIVES = 256
"""Rows per softmax: the right one and its negatives."""
_TEMPERATURE = 0.1


class LongTerm(nn.Module):
    """InfoNCE over N2 activity tokens predicted from one output."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.steps = config.long_term
        self.foretell = nn.Linear(config.width, config.long_term * config.width)

    def forward(self, output: Tensor, activities: Tensor, mask: Tensor) -> Tensor:
        """The loss (): the sum over rows of the mean over the N2 steps.

        ``output`` (B, w) at activity N - N2, ``activities`` (B, N, w), ``mask`` (B, N) bool. A step counts where both
        its activity and activity N - N2 are unmasked; 0 where none does.
        """
        before = -self.steps - 1
        predicted = self.foretell(output).unflatten(1, (self.steps, -1))  # (B, N2, w)
        known = mask[:, before, None] & mask[:, -self.steps :]  # (B, N2)
        total = output.new_zeros(())
        parts = [part.split(_NEGATIVES) for part in (predicted, activities[:, -self.steps :], known)]
        for guess, truth, defined in zip(*parts, strict=True):
            guess, truth = functional.normalize(guess, dim=-1), functional.normalize(truth, dim=-1)
            score = torch.einsum("bsw,csw->sbc", guess, truth) / _TEMPERATURE  # (N2, B, B)
            score = score.masked_fill(~defined.T.unsqueeze(1), -1e9)  # padding is no negative
            right = torch.arange(len(guess), device=score.device).expand(self.steps, -1)
            loss = functional.cross_entropy(score.flatten(0, 1), right.flatten(), reduction="none")
            total = total + (loss * defined.T.flatten()).sum()
        return total / self.steps
