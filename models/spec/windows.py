"""The windows of a spec: whole days in a row, from midnight to midnight."""

import re
from contextlib import suppress
from datetime import date
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from models.spec.part import LONGEST, Strict, shown

_FIRST, _END = date(2000, 1, 1), date(2200, 1, 1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(value: Any) -> date:
    """A date, also as the text that JSON has for it; a number or a moment is none."""
    day = value
    if isinstance(value, str) and _DATE.fullmatch(value):
        with suppress(ValueError):  # such as a 13th month
            day = date.fromisoformat(value)
    if type(day) is not date or not _FIRST <= day < _END:
        raise ValueError(f"expected a date such as 2026-01-31, from {_FIRST} and before {_END}; found {shown(value)}")
    return day


Day = Annotated[date, BeforeValidator(_day)]
WINDOW_ORDER = ("graph", "train", "validate", "gate", "test")


class Window(Strict):
    """One window of whole days, directly after another."""

    days: int = Field(gt=0, le=LONGEST)
    after: str | None = None


class Span(NamedTuple):
    """A half-open interval of time in microseconds UTC."""

    start: int
    end: int


class Windows(Strict):
    """The windows in a row: graph, train, validate, gate, test (35, 14, 7 days as in arXiv 2506.12700, then ours)."""

    start: Day
    graph: Window = Window(days=35)
    train: Window = Window(days=14, after="graph")
    validate_: Window = Field(default=Window(days=7, after="train"), alias="validate")
    gate: Window = Window(days=3, after="validate")
    test: Window = Window(days=3, after="gate")

    def window(self, name: str) -> Window:
        """The window of that name."""
        return self.validate_ if name == "validate" else getattr(self, name)

    @model_validator(mode="after")
    def _in_a_row(self) -> "Windows":
        previous: dict[str, str | None] = {}
        for name in WINDOW_ORDER:
            position = WINDOW_ORDER.index(name)
            default = WINDOW_ORDER[position - 1] if position else None
            previous[name] = self.window(name).after or default
        for name, after in previous.items():
            seen, step = {name}, after
            while step is not None:
                if step not in previous:
                    raise ValueError(f"{name}.after: expected one of {', '.join(WINDOW_ORDER)}; found {step!r}")
                if step in seen:
                    raise ValueError(f"{name}.after: expected windows in a row; found a cycle through {step!r}")
                seen.add(step)
                step = previous[step]
        for position, name in enumerate(WINDOW_ORDER[1:], start=1):
            if previous[name] != WINDOW_ORDER[position - 1]:
                raise ValueError(
                    f"{name}.after: expected {WINDOW_ORDER[position - 1]!r} (windows follow each other in the order "
                    f"{', '.join(WINDOW_ORDER)}); found {previous[name]!r}"
                )
        return self
