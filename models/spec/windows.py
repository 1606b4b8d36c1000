"""Windows of a spec: consecutive ranges of whole days, from midnight to midnight."""

import re
from contextlib import suppress
from datetime import date, timedelta
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, model_validator

from models.spec.base import Allowed, Days, StrictModel, display
from models.spec.errors import UnresolvedWindowsError

_FIRST, _END = date(2000, 1, 1), date(2200, 1, 1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _parse_day(value: Any) -> date:
    """A date, or its ISO text as in JSON. Numbers and datetimes are rejected."""
    day = value
    if isinstance(value, str) and _DATE.fullmatch(value):
        with suppress(ValueError):  # such as a 13th month
            day = date.fromisoformat(value)
    if type(day) is not date or not _FIRST <= day < _END:
        raise ValueError(f"expected a date such as 2026-01-31, from {_FIRST} and before {_END}; found {display(value)}")
    return day


Day = Annotated[date, BeforeValidator(_parse_day), Allowed(f"from {_FIRST}, before {_END}")]
LATEST = "latest"


def _parse_end(value: Any) -> Any:
    if isinstance(value, str) and not _DATE.fullmatch(value) and value != LATEST:
        raise ValueError(f"expected {LATEST} or a date such as 2026-01-31; found {display(value)}")
    return value if value == LATEST else _parse_day(value)


End = Annotated[date | Literal["latest"], BeforeValidator(_parse_end), Allowed(f"`{LATEST}`, or a day as in `start`")]
WINDOW_ORDER = ("graph", "train", "validate", "gate", "test")


class Window(StrictModel):
    """One window of whole days."""

    days: Days = Field(description="Length in days.")
    after: str | None = Field(
        default=None,
        description="The window that this one directly follows. It only documents the order: any other than graph, "
        "train, validate, gate, test is an error. None = the previous one in that order.",
    )


class Span(NamedTuple):
    """A half-open interval of time in microseconds UTC."""

    start: int
    end: int


class Windows(StrictModel):
    """Consecutive windows: graph, train, validate (35, 14, 7 days as in arXiv 2506.12700), then gate and test.

    Exactly one of ``start`` and ``end`` is given.
    """

    start: Day | None = Field(
        default=None,
        description="First day of the graph window; it begins at midnight in `timezone`. None = `end` is given.",
    )
    end: End | None = Field(
        default=None,
        description="Last day of the test window, included. `latest` = the newest settled day of the data, found anew "
        "by every ingest: the windows roll (see [recurring.md](recurring.md#windows-that-roll)). None = `start` is "
        "given.",
        examples=[LATEST],
    )
    graph: Window = Field(
        default=Window(days=35),
        description="History only: its events become edges and counters, its impressions are not trained on. Longer "
        "gives richer neighborhoods and larger graphs.",
    )
    train: Window = Field(
        default=Window(days=14, after="graph"), description="Impressions that the model is fitted on."
    )
    validate_: Window = Field(
        default=Window(days=7, after="train"),
        alias="validate",
        description="Impressions that choose the number of epochs and calibrate the probabilities; the final fit "
        "trains on them too.",
    )
    gate: Window = Field(
        default=Window(days=3, after="validate"),
        description="Impressions on which the gate compares a candidate with earlier versions.",
    )
    test: Window = Field(
        default=Window(days=3, after="gate"), description="Impressions that are reported and decide nothing."
    )

    def window(self, name: str) -> Window:
        """The window of that name. Raises AttributeError for any other name."""
        return self.validate_ if name == "validate" else getattr(self, name)

    @property
    def days(self) -> int:
        """Length of all windows together, in days."""
        return sum(self.window(name).days for name in WINDOW_ORDER)

    @property
    def rolling(self) -> bool:
        """Whether the dates are known only once the data is read."""
        return self.end == LATEST

    @property
    def first_day(self) -> date:
        """First day of the graph window. Raises UnresolvedWindowsError where the windows end at the latest day."""
        if self.start is not None:
            return self.start
        if not isinstance(self.end, date):
            raise UnresolvedWindowsError
        return self.end - timedelta(days=self.days - 1)

    @property
    def dates(self) -> str:
        """First and last day of all windows, as text; "latest" where they are not known yet."""
        if self.rolling:
            return LATEST
        return f"{self.first_day} to {self.first_day + timedelta(days=self.days - 1)}"

    def starting(self, day: date) -> "Windows":
        """The same windows with ``start`` at that day: the form that a resolved spec has."""
        return self.model_copy(update={"start": day, "end": None})

    @model_validator(mode="after")
    def _check_dates(self) -> "Windows":
        if (self.start is None) == (self.end is None):
            found = "neither" if self.start is None else "both"
            raise ValueError(f"expected exactly one of start and end; found {found}")
        if not self.rolling and self.first_day < _FIRST:
            raise ValueError(f"end: expected windows that start on {_FIRST} or later; found {self.first_day}")
        return self

    @model_validator(mode="after")
    def _check_order(self) -> "Windows":
        previous: dict[str, str | None] = {}
        for position, name in enumerate(WINDOW_ORDER):
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
