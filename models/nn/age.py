"""How long ago, as a network wants it."""

import math
from functools import cache

import torch
from torch import Tensor

_HOURS = (0.25, 1.0, 6.0, 24.0, 72.0, 240.0)
WINDOWS = len(_HOURS) + 1
RHYTHMS = 2
AGE_FEATURES = WINDOWS + RHYTHMS + 1
_DAY = 86_400.0
_MONTH = math.log(30 * _DAY)


def age_features(age: Tensor) -> Tensor:
    """(...) seconds -> (..., AGE_FEATURES).

    First the windows, from 0 to 1: within a quarter of an hour, an hour ... ten days, ever. Then the rhythms: 1 at this
    time of the day (of the week), -1 half a day (half a week) away. Then the logarithm of the age.
    """
    logarithm = age.clamp(min=1).log().unsqueeze(-1)
    ends, turns = _numbers(age.device) if torch.compiler.is_compiling() else _constants(age.device)
    within, ever = ((ends - logarithm) * 6).sigmoid(), torch.ones_like(logarithm)
    return torch.cat([within, ever, (age.unsqueeze(-1) * turns).cos(), logarithm / _MONTH], dim=-1)


def _numbers(device: torch.device) -> tuple[Tensor, Tensor]:
    """Ends of the windows (logarithms of seconds) and turns per second."""
    ends = torch.tensor([math.log(hours * 3_600) for hours in _HOURS], device=device)
    return ends, torch.tensor([2 * math.pi / _DAY, 2 * math.pi / (7 * _DAY)], device=device)


_constants = cache(_numbers)
"""Made once per device: a copy to a GPU waits for it, and cannot be recorded."""
