"""Soft counts of how well a candidate matches the member's activities, by action and age."""

import torch
from torch import Tensor, nn

from models.configs.model import ModelConfig
from models.nn.age import RHYTHMS, WINDOWS
from models.nn.start import PassThrough

_ACTIONS = 6


class Matching(nn.Module):
    """Dot products of the candidate with the member's activities and graph tokens, in parallel to the transformer.

    Softmax attention averages, and so loses the number of activities. Here learned gates select actions and fixed
    windows select ages; each pair of them gives two sums: the number of activities (many deliveries in the last day)
    and how well the candidate matches them (pointwise attention, Zhai et al. 2024). Each gate also gives two rhythms:
    whether the member usually acts at this hour and on this weekday.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gates = nn.Linear(config.width, _ACTIONS)
        self.query = PassThrough(config.width, config.width)
        self.outputs = _ACTIONS * (2 * WINDOWS + RHYTHMS) + config.graph_tokens**2

    def forward(self, member: Tensor, activities: Tensor, age: Tensor, mask: Tensor, item: Tensor) -> Tensor:
        """(B, C, outputs). ``member`` (B, H, w), ``activities`` (B, N, w), ``age`` (B, N, AGE_FEATURES) as
        ``age_features`` returns it, ``mask`` (B, N) bool, ``item`` (B, C, H, w)."""
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
