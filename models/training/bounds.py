"""What the numbers under ``model`` and ``training`` may be: their dataclasses are read without pydantic, so here."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_args

from models.nn.config import ModelConfig, TaskWeighting
from models.training.config import Precision, TrainedState, TrainingConfig


class Bound(NamedTuple):
    """What a number must be, in words and as a test; not-a-number passes none."""

    words: str
    holds: Callable[[Any], bool]


_ONE_OR_MORE = Bound("1 to 100000", lambda value: 1 <= value <= 100_000)
_COUNT = Bound("0 to 100000", lambda value: 0 <= value <= 100_000)
_NOT_NEGATIVE = Bound("a finite number of 0 or more", lambda value: 0 <= value < float("inf"))
_POSITIVE = Bound("a finite number above 0", lambda value: 0 < value < float("inf"))
_SHARE = Bound("a share of 0 or more, below 1", lambda value: 0 <= value < 1)
_SEED = Bound("0 to 4294967295", lambda value: 0 <= value < 2**32)
_SWITCH = Bound("true or false", lambda value: isinstance(value, bool))

MODEL: dict[str, Bound] = {
    **dict.fromkeys(("width", "graph_tokens", "activities", "layers", "heads", "head_width"), _ONE_OR_MORE),
    **dict.fromkeys(("dropout", "id_dropout"), _SHARE),
    **dict.fromkeys(("cross_layers", "pieces", "experts", "long_term"), _COUNT),
    **dict.fromkeys(
        (
            *("graph", "sequence", "item_neighbours", "positions", "time_gaps", "prefix_causal", "attention"),
            *("separate_encoders", "id_embeddings", "edge_attributes", "matching", "overlap", "profiles", "counters"),
        ),
        _SWITCH,
    ),
    "task_weighting": Bound("fixed or uncertainty", lambda value: value in get_args(TaskWeighting)),
}
TRAINING: dict[str, Bound] = {
    **dict.fromkeys(
        ("epochs", "batch_size", "accumulate", "slice", "first_neighbours", "neighbour_stride", "most_neighbours"),
        _ONE_OR_MORE,
    ),
    **dict.fromkeys(("learning_rate", "gradient_norm"), _POSITIVE),
    **dict.fromkeys(
        (
            *("patience", "weight_decay", "member_lag_days", "slice_hours", "neighbour_tolerance"),
            "long_term_weight",
        ),
        _NOT_NEGATIVE,
    ),
    "history_events": Bound("0 to 10^9", lambda value: 0 <= value <= 10**9),
    **dict.fromkeys(("warmup", "averaging", "tolerance_decay"), _SHARE),
    **dict.fromkeys(("compile", "record", "adaptive_neighbours"), _SWITCH),
    "state": Bound("mixed, as_of or frozen", lambda value: value in get_args(TrainedState)),
    "precision": Bound("float32 or bfloat16", lambda value: value in get_args(Precision)),
    "seed": _SEED,
}


def out_of_bounds(model: ModelConfig, training: TrainingConfig) -> Iterator[tuple[str, str, str]]:
    """Every number that cannot be used: (key, expected, found)."""
    parts: tuple[tuple[str, Any, dict[str, Bound]], ...] = (("model", model, MODEL), ("training", training, TRAINING))
    found = [
        (f"{part}.{name}", bound.words, repr(getattr(config, name)))
        for part, config, bounds in parts
        for name, bound in bounds.items()
        if not _holds(bound, getattr(config, name))
    ]
    yield from found
    if not found and model.width % model.heads:
        yield "model.width", f"a multiple of model.heads ({model.heads})", repr(model.width)
    if not found and model.long_term >= model.activities:
        yield "model.long_term", f"fewer than model.activities ({model.activities})", repr(model.long_term)


def _holds(bound: Bound, value: Any) -> bool:
    try:
        return bound.holds(value)
    except TypeError:  # no number at all
        return False
