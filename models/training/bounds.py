"""Bounds of the keys of ``TrainingConfig``, and the check of a whole configuration."""

from collections.abc import Iterator
from typing import get_args

from models.nn.bounds import ONE_OR_MORE, SHARE, SWITCH, Bound, broken, broken_in_model, whole
from models.nn.config import ModelConfig
from models.training.config import Precision, TrainedState, TrainingConfig

_NOT_NEGATIVE = Bound("a finite number of 0 or more", lambda value: 0 <= value < float("inf"))
_POSITIVE = Bound("a finite number above 0", lambda value: 0 < value < float("inf"))

TRAINING: dict[str, Bound] = {
    **dict.fromkeys(
        ("epochs", "batch_size", "accumulate", "slice", "first_neighbours", "neighbour_stride", "most_neighbours"),
        ONE_OR_MORE,
    ),
    **dict.fromkeys(("learning_rate", "gradient_norm"), _POSITIVE),
    **dict.fromkeys(
        (
            *("patience", "weight_decay", "member_lag_days", "slice_hours", "neighbour_tolerance"),
            "long_term_weight",
        ),
        _NOT_NEGATIVE,
    ),
    "history_events": whole(0, 10**9),
    **dict.fromkeys(("warmup", "averaging", "tolerance_decay"), SHARE),
    **dict.fromkeys(("compile", "record", "adaptive_neighbours"), SWITCH),
    "state": Bound("mixed, as_of or frozen", lambda value: value in get_args(TrainedState)),
    "precision": Bound("float32 or bfloat16", lambda value: value in get_args(Precision)),
    "seed": whole(0, 2**32 - 1),
}


def out_of_bounds(model: ModelConfig, training: TrainingConfig) -> Iterator[tuple[str, str, str]]:
    """Yield (key, expected, found) for every invalid key of the two configurations."""
    yield from broken_in_model(model)
    yield from broken("training", training, TRAINING)
