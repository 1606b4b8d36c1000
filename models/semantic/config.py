"""Settings of a quantizer, with their bounds."""

from dataclasses import dataclass
from typing import Literal, get_args

from models.semantic.errors import SemanticError

Kind = Literal["rq", "fsq", "rq_fsq"]
RQ, FSQ, RQ_FSQ = get_args(Kind)
MOST_LEVELS, MOST_CODES, MOST_FSQ_WIDTH = 8, 65_536, 64
FSQ_LEVELS = (2, 4, 8, 16)
"""A level of FSQ fits into 4 bits."""
_MOST_SEED = 2**31 - 1
_MOST_ITERATIONS = 1_000


@dataclass(frozen=True)
class QuantizerConfig:
    """What a quantizer is made of. Both branches of ``rq_fsq`` read the same vector."""

    kind: Kind = "rq_fsq"
    levels: int = 3
    """Residual levels K: codes of a key."""
    codes: int = 1024
    """Codes C of a level, 1 to C."""
    fsq_levels: int = 16
    """Levels of a dimension: 2, 4, 8 or 16."""
    fsq_width: int = 64
    """Most dimensions D that are rounded: a wider vector is rotated to its D main directions first."""
    iterations: int = 25
    """Of k-means, for each level."""
    seed: int = 1

    def __post_init__(self) -> None:
        """Raise SemanticError for a setting out of its bounds."""
        if self.kind not in get_args(Kind):
            raise SemanticError(f"kind: expected one of {', '.join(get_args(Kind))}; found {self.kind!r:.80}")
        _check_range("levels", self.levels, 1, MOST_LEVELS)
        _check_range("codes", self.codes, 2, MOST_CODES)
        _check_range("fsq_width", self.fsq_width, 1, MOST_FSQ_WIDTH)
        _check_range("iterations", self.iterations, 1, _MOST_ITERATIONS)
        _check_range("seed", self.seed, 0, _MOST_SEED)
        if isinstance(self.fsq_levels, bool) or self.fsq_levels not in FSQ_LEVELS:
            allowed = ", ".join(map(str, FSQ_LEVELS))
            raise SemanticError(f"fsq_levels: expected one of {allowed}; found {self.fsq_levels!r:.80}")

    @property
    def residual(self) -> bool:
        """Whether there is a residual branch."""
        return self.kind != FSQ

    @property
    def scalar(self) -> bool:
        """Whether there is a branch that rounds every dimension."""
        return self.kind != RQ


def _check_range(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SemanticError(f"{name}: expected a whole number from {low} to {high}; found {value!r:.80}")
