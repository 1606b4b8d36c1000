"""Task heads: from the transformer's output for a candidate to one logit per task."""

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.nn.experts import Experts, bottom
from models.nn.start import reset_children


class TaskHeads(nn.Module):
    """A shared bottom or experts, then one linear head per task; matches and crossed features also reach it directly.

    Cross network and deep network run in parallel (Wang et al. 2021, figure 1b).
    """

    def __init__(self, config: ModelConfig, matches: int, crossed: int, tasks: int) -> None:
        super().__init__()
        # candidate w, summary 2 w, their products 2 w, context w
        inputs, width = 6 * config.width + matches, config.head_width
        self.bottom = (
            Experts(inputs, width, config.experts, tasks, config.dropout)
            if config.experts
            else bottom(inputs, width, config.dropout)
        )
        self.tasks = nn.Linear(width, tasks)
        self.direct = nn.Linear(matches + crossed, tasks, bias=False)
        nn.init.zeros_(self.direct.weight)

    def reset_parameters(self) -> None:
        """Reinitialize all weights; the direct path starts at 0."""
        reset_children(self)
        nn.init.zeros_(self.direct.weight)

    def shift(self, by: Tensor) -> None:
        """Add ``by`` (tasks,) to the logits from now on."""
        with torch.no_grad():
            self.tasks.bias.add_(by)

    def forward(self, summary: Tensor, tokens: Tensor, matches: Tensor, context: Tensor, crossed: Tensor) -> Tensor:
        """Logits (B, C, tasks).

        ``summary`` (B, 2 w) and ``tokens`` (B, C, H, w) come from the transformer, ``matches`` (B, C, matches) from
        ``Matching`` and ``Overlap``, ``context`` (B, C, w) and ``crossed`` (B, C, crossed) from ``Context``.
        """
        candidate = tokens.mean(dim=2)
        summary = summary.unsqueeze(1).expand(-1, candidate.shape[1], -1)
        products = candidate.repeat(1, 1, 2) * summary
        shared = self.bottom(torch.cat([candidate, summary, products, matches, context], dim=-1))
        if isinstance(self.bottom, Experts):  # (B, C, tasks, width): one mixture per task
            logits = (shared * self.tasks.weight).sum(dim=-1) + self.tasks.bias
        else:
            logits = self.tasks(shared)
        return logits + self.direct(torch.cat([matches, crossed], dim=-1))
