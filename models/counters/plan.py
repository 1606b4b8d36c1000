"""What a counter does, without the spec: plain values that travel as JSON to wherever events are folded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.spec import Spec

OVERALL = "overall"
"""The view without keys: the counts of everything that has settled, the prior of every smoothed rate."""
PANES = 16
"""A window is counted in panes of a sixteenth of it."""


@dataclass(frozen=True)
class RatePlan:
    """One rated outcome: a task (scale 1) or a measure."""

    name: str
    column: str
    scale: int
    """The outcome column holds whole numbers from 0 to this."""
    filter: Mapping[str, list[Any]]
    """Rows on which the outcome is defined; empty = all."""


@dataclass(frozen=True)
class CounterPlan:
    """One counter; ``overall`` is one too, without keys and exposures."""

    name: str
    keys: tuple[str, ...]
    """Names of the join keys."""
    columns: tuple[str, ...]
    """Where a row holds them: columns of the impressions, or the name of the item's feature."""
    filter: Mapping[str, list[Any]]
    exposures: bool
    rates: tuple[RatePlan, ...]
    smoothing: float
    window: int | None
    """Microseconds; None = since the beginning."""
    recency: bool
    last: int

    @property
    def pane(self) -> int:
        """The length of a pane in microseconds. Raises ValueError where the counter has no window."""
        if self.window is None:
            raise ValueError(f"counter {self.name}: expected a window; found none")
        return self.window // PANES

    @property
    def statistics(self) -> tuple[str, ...]:
        """What is counted, without the counter's name: shown, settled, then each rate's sum (and of)."""
        found = ["shown"] if self.exposures else []
        found += ["settled"] if self.rates else []
        for rate in self.rates:
            found += [f"{rate.name}_sum", *([f"{rate.name}_of"] if rate.filter else [])]
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "CounterPlan":
        """What ``to_dict`` gave, also after a way through JSON."""
        tuples = {name: tuple(values[name]) for name in ("keys", "columns")}
        return cls(**{**values, **tuples, "rates": tuple(RatePlan(**rate) for rate in values["rates"])})


def plan_of(spec: "Spec", name: str) -> CounterPlan:
    """The plan of a counter of the spec, or of ``overall``. Raises KeyError for any other name."""
    if name == OVERALL:
        used = {rate for counter in spec.counters.values() for rate in _chosen(spec, counter.rates)}
        rates = tuple(rate for rate in _rates(spec) if rate.name in used)
        return CounterPlan(OVERALL, (), (), {}, False, rates, 0.0, None, False, 0)
    counter = spec.counters[name]
    shown = spec.impressions
    keys = {
        "member": (spec.nodes[shown.member.node].key, shown.member.column),
        "item": (spec.nodes[shown.item.node].key, shown.item.column),
        "surface": (shown.surface, shown.surface),
    }
    pairs = [keys.get(key, (key, key)) for key in counter.keys]
    chosen = _chosen(spec, counter.rates)
    return CounterPlan(
        name=name,
        keys=tuple(key for key, _ in pairs),
        columns=tuple(column for _, column in pairs),
        filter=counter.filter,
        exposures=True,
        rates=tuple(rate for rate in _rates(spec) if rate.name in chosen),
        smoothing=counter.smoothing,
        window=counter.span,
        recency=counter.recency,
        last=counter.last,
    )


def plans(spec: "Spec") -> dict[str, CounterPlan]:
    """All counters of the spec by name, then ``overall`` where any of them rates."""
    found = {name: plan_of(spec, name) for name in spec.counters}
    return found | ({OVERALL: plan_of(spec, OVERALL)} if needs_overall(spec) else {})


def needs_overall(spec: "Spec") -> bool:
    """Whether any counter rates, so that the view ``overall`` is there."""
    return any(counter.rates != [] for counter in spec.counters.values())


def _rates(spec: "Spec") -> list[RatePlan]:
    """Everything that can be rated, in the order of the spec: tasks, then measures."""
    tasks = [RatePlan(name, task.label, 1, task.filter) for name, task in spec.tasks.items()]
    return tasks + [RatePlan(name, measure.column, measure.scale, {}) for name, measure in spec.measures.items()]


def _chosen(spec: "Spec", rates: list[str] | None) -> set[str]:
    return set(rates) if rates is not None else {rate.name for rate in _rates(spec)}
