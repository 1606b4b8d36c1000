"""Counter plan: what a counter counts, as plain values that travel as JSON. Built by ``models.spec.counter_plans``."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OVERALL = "overall"
"""The view without keys: counts over all settled impressions, the prior of every smoothed rate."""
PANES = 16
"""A sliding window is counted in this many panes of equal length."""


@dataclass(frozen=True)
class RatePlan:
    """One rate: a task (scale 1) or a measure."""

    name: str
    column: str
    scale: int
    """The outcome column holds integers from 0 to this."""
    filter: Mapping[str, list[Any]]
    """Rows on which the outcome is defined; empty = all."""


@dataclass(frozen=True)
class ComparedPlan:
    """What a row is compared with a key's last exposures in: the surface, the item, or a category of the item."""

    name: str
    key: str
    """Its name in Feast: a join key, or the item feature."""
    column: str
    """Where a row holds it: a column of the impressions, or the item feature."""


@dataclass(frozen=True)
class CounterPlan:
    """One counter. ``overall`` is a counter too, without keys and exposures."""

    name: str
    keys: tuple[str, ...]
    """Names of the join keys."""
    columns: tuple[str, ...]
    """Where a row holds each key: a column of the impressions, or the name of an item feature."""
    filter: Mapping[str, list[Any]]
    exposures: bool
    """Whether exposures are counted."""
    rates: tuple[RatePlan, ...]
    smoothing: float
    """Pseudo-counts at the overall rate."""
    window: int | None
    """Length in microseconds; None = all time."""
    recency: bool
    """Whether the time of the last exposure is kept."""
    last: int
    """How many of the last outcomes are kept."""
    last_exposures: int = 0
    """How many of the last exposures are kept, each with its outcomes."""
    compared: tuple[ComparedPlan, ...] = ()
    """What is kept of each of them to compare with a row."""
    residual: bool = False
    """Whether outcomes minus what item and surface explain are summed too."""

    @property
    def pane(self) -> int:
        """Length of a pane in microseconds. Raises ValueError if the counter has no window."""
        if self.window is None:
            raise ValueError(f"counter {self.name}: expected a window; found none")
        return self.window // PANES

    @property
    def read_columns(self) -> tuple[str, ...]:
        """Where a row holds the keys and what is compared."""
        return (*self.columns, *(one.column for one in self.compared))

    @property
    def statistics(self) -> tuple[str, ...]:
        """What is counted, without the counter's name: shown, settled, then per rate its sum and, if filtered, its of,
        and of its residuals the sum in millionths and the number.

        ``<rate>_of`` counts the settled rows on which the rate is defined.
        """
        names = ["shown"] if self.exposures else []
        names += ["settled"] if self.rates else []
        for rate in self.rates:
            names += [f"{rate.name}_sum", *([f"{rate.name}_of"] if rate.filter else [])]
            names += [f"{rate.name}_residual", f"{rate.name}_residuals"] if self.residual else []
        return tuple(names)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "CounterPlan":
        """The inverse of ``to_dict``, also after a round trip through JSON, and of that of an earlier release."""
        tuples: dict[str, Any] = {name: tuple(values[name]) for name in ("keys", "columns")}
        tuples["rates"] = tuple(RatePlan(**rate) for rate in values["rates"])
        tuples["compared"] = tuple(ComparedPlan(**one) for one in values.get("compared", ()))
        return cls(**{**values, **tuples})
