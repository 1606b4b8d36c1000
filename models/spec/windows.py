"""The windows of a spec: whole days in a row, from midnight to midnight."""

from datetime import date
from typing import NamedTuple

from pydantic import Field, model_validator

from models.spec.part import LONGEST, Strict

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

    start: date = Field(ge=date(2000, 1, 1), lt=date(2200, 1, 1))
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
