"""Robust scaling of numbers: one scale per column, fitted once and stored with the model."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

LIMIT = 5.0
"""Scaled values are clamped to this many deviations."""
_SMALLEST_RATE = 1e-4


@dataclass(frozen=True)
class Scale:
    """Scale of one column of numbers: its shape (plain, log or logit) is applied first, then mean and deviation."""

    name: str
    shape: Literal["plain", "log", "logit"]
    mean: float
    deviation: float

    @classmethod
    def fit(cls, name: str, values: Tensor) -> "Scale":
        """The scale of ``values`` (rows,) float32, NaN where missing.

        Rates (named ``*_rate``, within 0 to 1) get the logit; exposures and other heavy-tailed columns (none below 0,
        deviation above the mean) get log1p; infinities are ignored.
        """
        values = values[torch.isfinite(values)].double()
        if not len(values):
            return cls(name, "plain", 0.0, 1.0)
        low, high = float(values.min()), float(values.max())
        shape: Literal["plain", "log", "logit"] = "plain"
        if name.endswith("_rate") and low >= 0 and high <= 1:
            shape = "logit"
        elif low >= 0 and (name.endswith("_exposures") or float(values.std(correction=0)) > float(values.mean())):
            shape = "log"
        shaped = _shaped(values, shape)
        deviation = float(shaped.std(correction=0))
        return cls(name, shape, float(shaped.mean()), deviation if deviation > 1e-6 else 1.0)


def scale_numbers(scales: tuple[Scale, ...], values: Tensor) -> Tensor:
    """(rows, n) float32, NaN where missing -> (rows, 2n) float32: scaled values (0 = missing), then missing flags.

    Scaled values are clamped to +-LIMIT deviations.
    """
    if not scales:
        return values.new_zeros(len(values), 0)
    log, logit = (torch.tensor([s.shape == shape for s in scales], device=values.device) for shape in ("log", "logit"))
    means, deviations = (
        values.new_tensor(list(of)) for of in zip(*((s.mean, s.deviation) for s in scales), strict=True)
    )
    shaped = torch.where(log, _shaped(values, "log"), torch.where(logit, _shaped(values, "logit"), values))
    scaled = ((shaped - means) / deviations).clamp(-LIMIT, LIMIT)
    missing = torch.isnan(values)
    return torch.cat([torch.where(missing, 0.0, scaled), missing.float()], dim=1)


def _shaped(values: Tensor, shape: str) -> Tensor:
    if shape == "log":
        return values.clamp(min=0).log1p()
    if shape == "logit":
        return torch.logit(values, eps=_SMALLEST_RATE)
    return values
