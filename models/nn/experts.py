"""Layers that the tasks share: one bottom, or a mixture of experts with a gate per task (MMoE)."""

import torch
from torch import Tensor, nn

from models.nn.dropout import Dropout


def bottom(inputs: int, width: int, dropout: float) -> nn.Sequential:
    """Two layers with ReLU: (..., inputs) -> (..., width)."""
    return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), Dropout(dropout), nn.Linear(width, width), nn.ReLU())


class Experts(nn.Module):
    """Multi-gate mixture of experts (Ma et al. 2018): a softmax gate per task mixes the experts."""

    def __init__(self, inputs: int, width: int, experts: int, tasks: int, dropout: float) -> None:
        super().__init__()
        self.experts = nn.ModuleList(bottom(inputs, width, dropout) for _ in range(experts))
        self.gates = nn.Linear(inputs, tasks * experts)

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., tasks, width)."""
        found = torch.stack([expert(inputs) for expert in self.experts], dim=-2)  # (..., experts, width)
        gates = self.gates(inputs).unflatten(-1, (-1, len(self.experts))).softmax(dim=-1)  # (..., tasks, experts)
        return gates @ found
