"""The head behind the transformer: late fusion with the impression's features, a cross network in parallel, experts."""

import torch
from torch import Tensor, nn

from models.nn.cross import CrossNetwork
from models.nn.experts import Experts, bottom
from models.nn.start import reset_children


class LateHead(nn.Module):
    """Logits from the transformer's output at an item and the features of its impression (Feed SR, arXiv 2602.12354).

    The features (counters, context, collaborative columns, moment) do not enter the transformer: they change with
    every request. A cross network (DCNv2) multiplies them with the output; experts with a gate per task (MMoE), or one
    shared bottom, read the same columns in parallel (Wang et al. 2021, figure 1b).
    """

    def __init__(
        self,
        width: int,
        columns: int,
        tasks: int,
        hidden: int = 64,
        cross_layers: int = 2,
        experts: int = 0,
        dropout: float = 0.0,
        linear: bool = False,
    ) -> None:
        """``width`` of the outputs, ``columns`` of features, ``hidden``: width of the bottom or of each expert.

        ``experts``: 0 = one bottom for all tasks. ``linear``: one linear layer instead of all (the ablation).
        """
        super().__init__()
        inputs = width + columns
        self.cross: nn.Module | None = None
        self.bottom: nn.Module | None = None
        self.direct = nn.Linear(inputs, tasks)
        if linear:
            return
        self.cross = CrossNetwork(inputs, cross_layers)
        self.bottom = Experts(inputs, hidden, experts, tasks, dropout) if experts else bottom(inputs, hidden, dropout)
        self.tasks = nn.Linear(hidden, tasks, bias=False)

    def reset_parameters(self) -> None:
        """Reinitialize all weights."""
        reset_children(self)

    def shift(self, by: Tensor) -> None:
        """Add ``by`` (tasks,) to the logits from now on."""
        with torch.no_grad():
            self.direct.bias.add_(by)

    def forward(self, outputs: Tensor, features: Tensor) -> Tensor:
        """Logits (B, C, tasks) from ``outputs`` (B, C, width) and ``features`` (B, C, columns), scaled numbers."""
        both = torch.cat([outputs, features], dim=-1)
        if self.cross is None or self.bottom is None:
            return self.direct(both)
        logits = self.direct(self.cross(both))
        shared = self.bottom(both)
        if isinstance(self.bottom, Experts):  # (B, C, tasks, hidden): one mixture per task
            return logits + (shared * self.tasks.weight).sum(dim=-1)
        return logits + self.tasks(shared)
