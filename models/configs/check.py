"""Checks of configurations: each key against its bound, and keys against each other."""

from collections.abc import Iterator

from models.configs.bounds import broken
from models.configs.errors import ConfigError
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig


def broken_in_model(config: ModelConfig) -> Iterator[tuple[str, str, str]]:
    """Yield (key, expected, found) for every key of a ModelConfig that is invalid, by itself or with another."""
    found = list(broken("model", config))
    yield from found
    if not found and config.width % config.heads:
        yield "model.width", f"a multiple of model.heads ({config.heads})", repr(config.width)
    if not found and config.long_term >= config.activities:
        yield "model.long_term", f"fewer than model.activities ({config.activities})", repr(config.long_term)


def out_of_bounds(model: ModelConfig, training: TrainingConfig) -> Iterator[tuple[str, str, str]]:
    """Yield (key, expected, found) for every invalid key of the two configurations."""
    yield from broken_in_model(model)
    yield from broken("training", training)


def check(config: ModelConfig) -> None:
    """Raise ConfigError for the first invalid key."""
    for key, expected, found in broken_in_model(config):
        raise ConfigError(f"{key}: expected {expected}; found {found}")
