"""Bounds of the keys of ``ModelConfig``, which is a plain dataclass so that it can be read without pydantic."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, get_args

from models.nn.config import ModelConfig, TaskWeighting
from models.nn.errors import ConfigError


class Bound(NamedTuple):
    """A condition on a value, in words and as a test; NaN passes none."""

    words: str
    holds: Callable[[Any], bool]


def whole(least: int, most: int) -> Bound:
    """Whole numbers from ``least`` to ``most``, without true and false."""
    return Bound(f"a whole number, {least} to {most}", lambda value: type(value) is int and least <= value <= most)


ONE_OR_MORE = whole(1, 100_000)
SHARE = Bound("a share of 0 or more, below 1", lambda value: 0 <= value < 1)
SWITCH = Bound("true or false", lambda value: isinstance(value, bool))
_COUNT = whole(0, 100_000)

MODEL: dict[str, Bound] = {
    **dict.fromkeys(("width", "graph_tokens", "activities", "layers", "heads", "head_width"), ONE_OR_MORE),
    **dict.fromkeys(("dropout", "id_dropout"), SHARE),
    **dict.fromkeys(("cross_layers", "pieces", "experts", "long_term"), _COUNT),
    **dict.fromkeys(
        (
            *("graph", "sequence", "item_neighbours", "positions", "time_gaps", "prefix_causal", "attention"),
            *("separate_encoders", "id_embeddings", "edge_attributes", "matching", "overlap", "profiles", "counters"),
        ),
        SWITCH,
    ),
    "task_weighting": Bound("fixed or uncertainty", lambda value: value in get_args(TaskWeighting)),
}


def broken(part: str, config: Any, bounds: Mapping[str, Bound]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, expected, found) for every value of a dataclass that is out of ``bounds``; keys as ``part.key``."""
    for name, bound in bounds.items():
        value = getattr(config, name)
        if not _holds(bound, value):
            yield f"{part}.{name}", bound.words, repr(value)


def broken_in_model(config: ModelConfig) -> Iterator[tuple[str, str, str]]:
    """Yield (key, expected, found) for every key of a ModelConfig that is invalid, alone or beside another."""
    found = list(broken("model", config, MODEL))
    yield from found
    if not found and config.width % config.heads:
        yield "model.width", f"a multiple of model.heads ({config.heads})", repr(config.width)
    if not found and config.long_term >= config.activities:
        yield "model.long_term", f"fewer than model.activities ({config.activities})", repr(config.long_term)


def check(config: ModelConfig) -> None:
    """Raise ConfigError for the first invalid key."""
    for key, expected, found in broken_in_model(config):
        raise ConfigError(f"{key}: expected {expected}; found {found}")


def _holds(bound: Bound, value: Any) -> bool:
    if isinstance(value, bool) and bound is not SWITCH:  # True == 1 in Python
        return False
    try:
        return bound.holds(value)
    except TypeError:  # not a number at all
        return False
