"""How well a candidate fits what the member did: counted softly by what was done and how long ago."""

import torch
from torch import Tensor, nn

from models.nn.age import RHYTHMS, WINDOWS
from models.nn.config import ModelConfig
from models.nn.passing import pass_through

_ACTIONS = 6


class Matching(nn.Module):
    """Dot products of the candidate with the member's activities and graph tokens, beside the transformer.

    Softmax attention averages, and so forgets HOW MANY activities there were. Here learned gates look at what was done,
    fixed windows at how long ago, and for each pair of them two sums are kept: how much there was (many deliveries in
    the last day), and how well the candidate fits it (as in pointwise attention, Zhai et al. 2024). A third one says
    whether this is the hour and the weekday at which the member does such things.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gates = nn.Linear(config.width, _ACTIONS)
        self.query = pass_through(nn.Linear(config.width, config.width))
        self.outputs = _ACTIONS * (2 * WINDOWS + RHYTHMS) + config.graph_tokens**2

    def forward(self, member: Tensor, activities: Tensor, age: Tensor, mask: Tensor, item: Tensor) -> Tensor:
        """(B, C, outputs) of ``member`` (B, H, w), ``activities`` (B, N, w), ``age`` (B, N, features) as
        ``age_features`` gives it, ``mask`` (B, N), ``item`` (B, C, H, w)."""
        slate, width = item.shape[1], item.shape[-1]
        action = self.gates(activities).sigmoid() * mask.unsqueeze(-1)  # (B, N, actions)
        gate = (action.unsqueeze(-1) * age[..., :WINDOWS].unsqueeze(-2)).flatten(2)  # (B, N, actions * windows)
        amount = gate.sum(dim=1)
        clock = age[..., WINDOWS : WINDOWS + RHYTHMS]
        habit = action.transpose(1, 2) @ clock / (1 + action.sum(dim=1)).unsqueeze(-1)  # (B, actions, rhythms)
        fit = self.query(item.mean(dim=2)) @ activities.transpose(1, 2) / width**0.5  # (B, C, N)
        fits = fit @ gate / (1 + amount).unsqueeze(1)  # (B, C, actions * windows)
        dots = torch.einsum("bhw,bckw->bchk", member, item).flatten(2) / width**0.5  # (B, C, H * H)
        same = torch.cat([amount.log1p(), habit.flatten(1)], dim=-1).unsqueeze(1).expand(-1, slate, -1)
        return torch.cat([fits, dots, same], dim=-1)
