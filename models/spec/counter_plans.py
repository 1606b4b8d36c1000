"""Counter plans of a spec: what each counter counts, resolved to columns."""

from models.counters.plan import OVERALL, ComparedPlan, CounterPlan, RatePlan
from models.counters.snapshot import ResidualPlan, SnapshotPlan
from models.spec.schema import Spec


def counter_plans(spec: Spec) -> dict[str, CounterPlan]:
    """All counters of the spec by name, then ``overall`` if any of them has a rate."""
    plans = {name: counter_plan(spec, name) for name in spec.counters}
    return plans | ({OVERALL: counter_plan(spec, OVERALL)} if _needs_overall(spec) else {})


def counter_plan(spec: Spec, name: str) -> CounterPlan:
    """The plan of one counter of the spec, or of ``overall``. Raises KeyError for any other name."""
    if name == OVERALL:
        used = {rate for counter in spec.counters.values() for rate in _rate_names(spec, counter.rates)}
        rates = tuple(rate for rate in _all_rates(spec) if rate.name in used)
        return CounterPlan(OVERALL, (), (), {}, False, rates, 0.0, None, False, 0)
    counter = spec.counters[name]
    shown = spec.impressions
    roles = {
        "member": (spec.nodes[shown.member.node].key, shown.member.column),
        "item": (spec.nodes[shown.item.node].key, shown.item.column),
        "surface": (shown.surface, shown.surface),
    }
    pairs = [roles.get(key, (key, key)) for key in counter.keys]
    names = _rate_names(spec, counter.rates)
    return CounterPlan(
        name=name,
        keys=tuple(key for key, _ in pairs),
        columns=tuple(column for _, column in pairs),
        filter=counter.filter,
        exposures=True,
        rates=tuple(rate for rate in _all_rates(spec) if rate.name in names),
        smoothing=counter.smoothing,
        window=counter.span,
        recency=counter.recency,
        last=counter.last,
        residual=counter.residual,
        last_exposures=counter.last_exposures,
        compared=tuple(ComparedPlan(name, *roles.get(name, (name, name))) for name in counter.compare),
    )


def residual_plan(spec: Spec) -> ResidualPlan | None:
    """How residuals are booked; None if no counter has any."""
    names = {
        rate for counter in spec.counters.values() if counter.residual for rate in _rate_names(spec, counter.rates)
    }
    if not names:
        return None
    rates, shown, given = (
        tuple(rate for rate in _all_rates(spec) if rate.name in names),
        spec.impressions,
        spec.residuals,
    )
    item = (spec.nodes[shown.item.node].key,)
    snapshots = (
        SnapshotPlan("expected_item", item, (shown.item.column,), rates),
        SnapshotPlan("expected_surface", (shown.surface,), (shown.surface,), rates),
        SnapshotPlan("expected_overall", (), (), rates),
    )
    return ResidualPlan(spec.timezone, given.delay_span, given.within_days, given.smoothing, snapshots)


def snapshot_plans(spec: Spec) -> dict[str, SnapshotPlan]:
    """The snapshots behind the residuals, by name; empty if no counter has residuals."""
    plan = residual_plan(spec)
    return {snapshot.name: snapshot for snapshot in plan.snapshots} if plan else {}


def _needs_overall(spec: Spec) -> bool:
    return any(counter.rates != [] for counter in spec.counters.values())


def _all_rates(spec: Spec) -> list[RatePlan]:
    """Tasks, then measures, in the order of the spec."""
    tasks = [RatePlan(name, task.label, 1, task.filter) for name, task in spec.tasks.items()]
    return tasks + [RatePlan(name, measure.column, measure.scale, {}) for name, measure in spec.measures.items()]


def _rate_names(spec: Spec, rates: list[str] | None) -> set[str]:
    """The rates of a counter; None = all."""
    return set(rates) if rates is not None else {rate.name for rate in _all_rates(spec)}
