"""Bounds of the configurations' fields."""

from dataclasses import fields, replace
from typing import Any

import pytest

from models.configs.bounds import bounds_of, broken
from models.configs.check import check, out_of_bounds
from models.configs.errors import ConfigError
from models.configs.model import ModelConfig
from models.configs.training import TrainingConfig


@pytest.mark.parametrize("config", [ModelConfig(), TrainingConfig()])
def test_the_defaults_hold(config: object) -> None:
    assert set(bounds_of(type(config))) == {field.name for field in fields(config)}  # type: ignore[arg-type]
    assert list(broken("part", config)) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("width", 0, "a whole number, 1 to 100000"),
        ("width", True, "a whole number, 1 to 100000"),
        ("width", 32.0, "a whole number, 1 to 100000"),
        ("dropout", 1.0, "a share of 0 or more, below 1"),
        ("dropout", float("nan"), "a share of 0 or more, below 1"),
        ("dropout", "0.1", "a share of 0 or more, below 1"),
        ("graph", 1, "true or false"),
        ("task_weighting", "none", "fixed or uncertainty"),
        ("heads", 5, None),
    ],
)
def test_a_key_out_of_bounds_is_named(key: str, value: Any, words: str | None) -> None:
    config = replace(ModelConfig(), **{key: value})
    expected = f"model.{key}: expected {words}" if words else "model.width: expected a multiple of model.heads"
    with pytest.raises(ConfigError, match=expected):
        check(config)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("learning_rate", 0.0, "a finite number above 0"),
        ("weight_decay", float("inf"), "a finite number of 0 or more"),
        ("seed", 2**32, "a whole number, 0 to 4294967295"),
        ("state", "both", "mixed, as_of or frozen"),
    ],
)
def test_training_is_checked_too(key: str, value: Any, words: str) -> None:
    found = list(out_of_bounds(ModelConfig(), replace(TrainingConfig(), **{key: value})))
    assert found == [(f"training.{key}", words, repr(value))]
