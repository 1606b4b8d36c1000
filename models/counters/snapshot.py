"""What item and surface explain of an outcome: their rates in the snapshot that was visible at the impression.

A snapshot counts outcomes that settled strictly before its cut, a local midnight, and is visible from ``delay`` after
the cut. All is in whole numbers: a rate in millionths, rounded down.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from models.counters.plan import RatePlan
from models.midnights import midnights
from models.time_units import DAY

MILLION = 1_000_000


@dataclass(frozen=True)
class SnapshotPlan:
    """The snapshots of one kind of key: items, surfaces, or all impressions together."""

    name: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    """Where a row holds each key."""
    rates: tuple[RatePlan, ...]

    @property
    def statistics(self) -> tuple[str, ...]:
        """What is counted: per rate the sum of its outcomes, and how many are defined."""
        return tuple(f"{rate.name}_{part}" for rate in self.rates for part in ("sum", "of"))

    @property
    def state_columns(self) -> dict[str, str]:
        """Lists over the last cuts at which a count had changed, oldest first: the cut, then each statistic."""
        return dict.fromkeys(
            [f"{self.name}_cut", *(f"{self.name}_{statistic}" for statistic in self.statistics)], "ints"
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "SnapshotPlan":
        """The inverse of ``asdict``, also after a round trip through JSON."""
        rates = tuple(RatePlan(**rate) for rate in values["rates"])
        return cls(values["name"], tuple(values["keys"]), tuple(values["columns"]), rates)


@dataclass(frozen=True)
class ResidualPlan:
    """How residuals are booked. The names are stored with the event plan."""

    zone: str
    """Time zone of the midnights."""
    delay: int
    """Microseconds from a cut to its visibility."""
    within: int
    """Days: an outcome that settles later after its impression is not booked."""
    smoothing: int
    """Pseudo-outcomes at the overall rate in a rate of an item or a surface."""
    snapshots: tuple[SnapshotPlan, ...]
    """Of the item, of the surface, and of all."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ResidualPlan":
        """The inverse of ``to_dict``, also after a round trip through JSON."""
        snapshots = tuple(
            SnapshotPlan(
                one["name"], tuple(one["keys"]), tuple(one["columns"]), tuple(RatePlan(**r) for r in one["rates"])
            )
            for one in values["snapshots"]
        )
        return cls(**{**values, "snapshots": snapshots})


def cut_at(plan: ResidualPlan, shown: int) -> int:
    """The cut of the snapshot that is visible strictly before a time, microseconds UTC."""
    visible = shown - 1 - plan.delay
    return midnights(visible, visible, plan.zone)[-1]


def expected(rate: RatePlan, smoothing: int, counts: Sequence[tuple[int, int]]) -> int | None:
    """Expected outcome in millionths, from (sum, number) of item, surface and all; None without any outcome."""
    item, surface, (total, number) = counts
    if not number:
        return None
    overall = total * MILLION // (rate.scale * number)
    rates = [
        (some * MILLION + smoothing * rate.scale * overall) // (rate.scale * (of + smoothing))
        for some, of in (item, surface)
    ]
    return min(max(sum(rates) - overall, 0), MILLION)


def counts_at(plan: SnapshotPlan, state: Mapping[str, Any] | None, cut: int) -> Mapping[str, int]:
    """The statistics of a key in the snapshot of a cut; zeros for a key that it does not have."""
    cuts = state[f"{plan.name}_cut"] or [] if state else []
    place = bisect_right(cuts, cut) - 1
    if place < 0 or state is None:
        return dict.fromkeys(plan.statistics, 0)
    return {statistic: state[f"{plan.name}_{statistic}"][place] for statistic in plan.statistics}


def expectations(
    plan: ResidualPlan, states: Sequence[Mapping[str, Any] | None], shown: int, settled: int
) -> dict[str, int | None]:
    """Expected outcome of an impression in millionths by rate; None where no residual is booked.

    ``states``: of the item, of the surface, and of all, None for a key without a row. Times are microseconds UTC.
    """
    everything, cut = plan.snapshots[-1], cut_at(plan, shown)
    known = states[-1] is not None and cut in (states[-1][f"{everything.name}_cut"] or [])
    booked = known and settled - shown <= plan.within * DAY
    found = [counts_at(one, state, cut) for one, state in zip(plan.snapshots, states, strict=True)]
    return {
        rate.name: expected(rate, plan.smoothing, [(c[f"{rate.name}_sum"], c[f"{rate.name}_of"]) for c in found])
        if booked
        else None
        for rate in everything.rates
    }
