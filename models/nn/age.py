"""Features of an age: smooth windows, daily and weekly rhythms, and the logarithm."""

import math
from functools import cache

import torch
from torch import Tensor

from models.time_units import DAY, HOUR, SECOND

_HOURS = (0.25, 1.0, 6.0, 24.0, 72.0, 240.0)
WINDOWS = len(_HOURS) + 1
RHYTHMS = 2
AGE_FEATURES = WINDOWS + RHYTHMS + 1
_HOUR, _DAY = HOUR // SECOND, DAY // SECOND
_MONTH = math.log(30 * _DAY)


def age_features(age: Tensor) -> Tensor:
    """(...) float32 seconds -> (..., AGE_FEATURES) float32.

    First the windows, from 0 to 1: within a quarter of an hour, an hour ... ten days, ever. Then the rhythms: 1 at this
    time of the day (of the week), -1 half a day (half a week) away. Then the logarithm of the age, 1 at 30 days.
    """
    logarithm = age.clamp(min=1).log().unsqueeze(-1)
    ends, turns = _numbers(age.device) if torch.compiler.is_compiling() else _constants(age.device)
    within, ever = ((ends - logarithm) * 6).sigmoid(), torch.ones_like(logarithm)
    return torch.cat([within, ever, (age.unsqueeze(-1) * turns).cos(), logarithm / _MONTH], dim=-1)


def _numbers(device: torch.device) -> tuple[Tensor, Tensor]:
    """Ends of the windows (logarithms of seconds), and radians per second of the two rhythms."""
    ends = torch.tensor([math.log(hours * _HOUR) for hours in _HOURS], device=device)
    return ends, torch.tensor([2 * math.pi / _DAY, 2 * math.pi / (7 * _DAY)], device=device)


_constants = cache(_numbers)
"""Once per device: a copy to a GPU is a synchronization, and cannot be part of a CUDA graph."""
