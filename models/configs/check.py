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
    if found:
        return
    for key, default in config.foreign().items():
        expected = f"{default!r}, its default, since model.family is {config.family} and does not read it"
        yield f"model.{key}", expected, repr(getattr(config, key))
    if config.family == "sequence" and config.position_encoding == "rope" and config.width % (2 * config.heads):
        expected = f"a multiple of 2 * model.heads ({2 * config.heads}) for model.position_encoding: rope"
        yield "model.width", expected, repr(config.width)


def out_of_bounds(model: ModelConfig, training: TrainingConfig) -> Iterator[tuple[str, str, str]]:
    """Yield (key, expected, found) for every invalid key of the two configurations."""
    yield from broken_in_model(model)
    wrong = list(broken("training", training))
    yield from wrong
    if wrong:
        return
    if model.family == "sequence":
        for key, off in (("adaptive_neighbours", False), ("slice", 1)):
            if getattr(training, key) != off:
                yield f"training.{key}", f"{off!r}, since model.family is sequence", repr(getattr(training, key))
    elif training.shared_history != TrainingConfig.shared_history:
        expected = f"{TrainingConfig.shared_history}, its default, since model.family is graph and does not read it"
        yield "training.shared_history", expected, repr(training.shared_history)


def check(config: ModelConfig) -> None:
    """Raise ConfigError for the first invalid key."""
    for key, expected, found in broken_in_model(config):
        raise ConfigError(f"{key}: expected {expected}; found {found}")
