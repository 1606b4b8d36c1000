"""Values, names and their text in errors."""

from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from models.spec import Window
from models.spec.base import Name, Value, check_unique_values, display


@pytest.mark.parametrize("value", [True, 0, -(2**63), 2**63 - 1, 0.5, "", "text"])
def test_a_value_keeps_its_type(value: Any) -> None:
    found = TypeAdapter(Value).validate_python(value)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "value", [None, [], date(2026, 1, 1), float("inf"), -float("inf"), float("nan"), 2**63, -(2**63) - 1]
)
def test_what_no_column_holds(value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Value).validate_python(value)


def test_a_name_has_at_most_61_characters() -> None:
    assert TypeAdapter(Name).validate_python("a" * 61) == "a" * 61
    with pytest.raises(ValidationError, match="at most 61"):
        TypeAdapter(Name).validate_python("a" * 62)


def test_a_part_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Window(days=1).days = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (False, "false"),
        (1.0, "1.0"),
        ("a", "'a'"),
        (date(2026, 1, 31), "the date 2026-01-31"),
        ([0] * 100, "[" + "0, " * 38 + "0,..."),
        ("x" * 118, "'" + "x" * 118 + "'"),
    ],
)
def test_a_value_in_an_error(value: Any, text: str) -> None:
    assert display(value) == text
    assert len(display(value)) <= 120


def test_values_that_are_listed_once() -> None:
    assert check_unique_values([]) == []
    assert check_unique_values(["b", "a"]) == ["b", "a"]
    with pytest.raises(ValueError, match="expected every value once; found 'a' twice"):
        check_unique_values(["a", "b", "a"])
