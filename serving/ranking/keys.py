"""Keys of a request. Those of an integer node may come as numbers, or as their digits in text.

JavaScript, and whatever else reads JSON's numbers as doubles, turns an integer beyond 2^53 into another one without a
sign. Who sends one key of an instance as text gets all of its integer keys as text, and never has to read a number.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler
from pydantic_core import core_schema

from models.integer_text import LEAST, MOST, integer_of
from models.spec import Node
from serving.settings.limits import Limits

Key = int | str


class _Expected:
    """Replaces pydantic's errors of a number: whatever is wrong with a key, this is what was expected."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        expected = "expected a whole number of 64 bits, or its digits as text"
        return core_schema.custom_error_schema(
            handler(source), custom_error_type="key", custom_error_message=f"{expected} without zeros in front"
        )


def _whole(value: object) -> object:
    """The number that a text writes; anything else as it is, for the number's own check to refuse."""
    found = integer_of(value) if isinstance(value, str) else None
    return value if found is None else found


def _whole_items(values: list[object]) -> list[object]:
    return [_whole(value) for value in values] if _has_text(values) else values


def member_type(node: Node, limits: Limits) -> Any:
    """The type of a member's key."""
    if node.key_type == "string":
        return _text(limits)
    return Annotated[_number(), BeforeValidator(_whole)]


def items_type(node: Node, limits: Limits) -> Any:
    """The type of the candidates' keys. A list of numbers alone costs no call for each of them."""
    bounds = Field(min_length=1, max_length=limits.items, fail_fast=True)
    if node.key_type == "string":
        return Annotated[list[_text(limits)], bounds]  # type: ignore[misc]

    def whole(values: object) -> object:
        # One key too many is enough to refuse a list.
        return _whole_items(values[: limits.items + 1]) if isinstance(values, list) else values

    return Annotated[list[_number()], bounds, BeforeValidator(whole)]  # type: ignore[misc]


def has_text_keys(instance: Mapping[str, Any], integers: Mapping[str, bool]) -> bool:
    """Whether a valid instance has an integer key as text. ``integers``: by role, whether its node's keys are."""
    member = integers["member"] and isinstance(instance["member"], str)
    return member or (integers["item"] and _has_text(instance["items"]))


def _has_text(values: list[Any]) -> bool:
    return str in set(map(type, values))


def _text(limits: Limits) -> Any:
    return Annotated[str, Field(min_length=1, max_length=limits.text)]


def _number() -> Any:
    return Annotated[int, Field(ge=LEAST, le=MOST), _Expected()]
