"""The long-term loss: what a member does next, foretold from what came before (LiGNN, arXiv 2402.11139).

The paper's exact form is not published. Here the output at activity N - N2 foretells each of the N2 activities after
it, by a map of its own per step, and has to tell it from the same step's activities of other rows (InfoNCE). It sees
the activities before it, and nothing that was read later.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.nn.config import ModelConfig

_NEGATIVES = 256
"""Rows among which the right one is to be found."""
_TEMPERATURE = 0.1


class LongTerm(nn.Module):
    """From one output to N2 foretold activity tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.steps = config.long_term
        self.foretell = nn.Linear(config.width, config.long_term * config.width)

    def forward(self, output: Tensor, activities: Tensor, mask: Tensor) -> Tensor:
        """The loss (), summed over rows, each its mean over the N2 steps; 0 where no row has both sides.

        ``output`` (B, w) at activity N - N2, ``activities`` (B, N, w), ``mask`` (B, N).
        """
        before = -self.steps - 1
        foretold = self.foretell(output).unflatten(1, (self.steps, -1))  # (B, N2, w)
        known = mask[:, before, None] & mask[:, -self.steps :]  # (B, N2)
        total = output.new_zeros(())
        parts = [part.split(_NEGATIVES) for part in (foretold, activities[:, -self.steps :], known)]
        for guess, truth, defined in zip(*parts, strict=True):
            guess, truth = functional.normalize(guess, dim=-1), functional.normalize(truth, dim=-1)
            score = torch.einsum("bsw,csw->sbc", guess, truth) / _TEMPERATURE  # (N2, B, B)
            score = score.masked_fill(~defined.T.unsqueeze(1), -1e9)  # padding is nobody's negative
            right = torch.arange(len(guess), device=score.device).expand(self.steps, -1)
            loss = functional.cross_entropy(score.flatten(0, 1), right.flatten(), reduction="none")
            total = total + (loss * defined.T.flatten()).sum()
        return total / self.steps
