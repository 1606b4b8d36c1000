"""How a model is trained. A plain dataclass: a GPU image reads it from JSON without pydantic."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class TrainingConfig:
    """Optimiser, length and the rules by which training stops."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    epochs: int = 4
    """Epochs at most; early stopping on the validation window picks the number. The learning rate falls to zero over
    this many, also where training stops earlier."""
    patience: int = 1
    """Epochs without a better validation AUC of the primary task before training stops."""
    batch_size: int = 512
    """Seeds per step."""
    learning_rate: float = 0.003
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.01
    """Weight decay of AdamW."""
    warmup: float = 0.05
    """Share of all steps over which the learning rate rises to its peak."""
    gradient_norm: float = 1.0
    """Gradients are scaled down to this norm at most."""
    averaging: float = 0.0
    """The model that is validated and kept is a moving average of the weights, with this decay per step; 0 = none."""
    member_lag_days: float = 1.0
    """In training a member's state is frozen at a random moment up to this many days earlier (half of the seeds), so
    that one model holds for fresh and for stale state."""
    seed: int = 7
    """Seed of initialisation, order and dropout."""
