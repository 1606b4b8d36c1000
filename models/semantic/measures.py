"""Use of the codes, and their churn from one artifact to the next."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from models.semantic.errors import SemanticError
from models.semantic.quantizer import Codes


class Use(NamedTuple):
    """How one level's codes, or one dimension's levels, are used by keys with a vector."""

    perplexity: float
    """exp of the entropy: as many codes in equal use would say as much; NaN without keys."""
    dead: int
    """Codes that no key has."""
    codes: int
    """Codes there are."""


class Churn(NamedTuple):
    """What changed for the keys that have codes in both; NaN without such keys."""

    keys: int
    """Keys with codes in both."""
    levels: tuple[float, ...]
    """Share of keys whose code changed, by residual level."""
    residual: float
    """Share of keys with another residual code at any level."""
    scalar: float
    """Share of rounded values that changed."""
    steps: float
    """Mean of how many steps a rounded value moved."""


def use(codes: Tensor, count: int) -> list[Use]:
    """The use of each column of ``codes`` (n, K) with values 1 to ``count``; 0 = missing."""
    found = []
    for column in codes.long().numpy().T:
        counts = np.bincount(column, minlength=count + 1)[1:]
        share = counts[counts > 0] / max(counts.sum(), 1)
        perplexity = float(np.exp(-(share * np.log(share)).sum())) if len(share) else float("nan")
        found.append(Use(perplexity, int((counts == 0).sum()), count))
    return found


def churn(old: Codes, new: Codes) -> Churn:
    """Compare the codes of the same n keys in the same order. Raises SemanticError for other shapes."""
    if old.residual.shape != new.residual.shape or old.scalar.shape != new.scalar.shape:
        shapes = [(tuple(one.residual.shape), tuple(one.scalar.shape)) for one in (old, new)]
        raise SemanticError(f"codes: expected codes of the same keys and settings; found the shapes {shapes}")
    before, after = (
        np.concatenate([one.residual.numpy().astype(np.int64), one.scalar.numpy().astype(np.int64)], axis=1)
        for one in (old, new)
    )
    both = (before > 0).any(axis=1) & (after > 0).any(axis=1)
    keys, levels = int(both.sum()), old.residual.shape[1]
    moved = np.abs(after[both] - before[both])
    changed = moved > 0
    return Churn(
        keys,
        tuple(_mean(changed[:, level]) for level in range(levels)),
        _mean(changed[:, :levels].any(axis=1)) if levels else float("nan"),
        _mean(changed[:, levels:]),
        _mean(moved[:, levels:]),
    )


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")
