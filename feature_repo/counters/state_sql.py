"""SQL for a counter's state at every change, over the impressions."""

from collections.abc import Iterator

from feature_repo.counters.exposures_sql import exposure_lists, last_exposures
from feature_repo.counters.impressions import SHOWN, expected_column, kept_column, key_column, rate_column
from models.counters.columns import state_columns
from models.counters.plan import PANES, CounterPlan
from models.counters.snapshot import MILLION
from models.features import VALID_FROM
from models.sql import identifier


def statement(plan: CounterPlan) -> str:
    """SQL for rows (keys, ``valid_from`` in microseconds, state columns), sorted by (``valid_from``, keys).

    - ``changes``: what each time adds to a key's counts; an impression counts when shown, its outcomes when settled.
    - ``running``: the sums up to and including each time.
    - ``outcomes``: the last outcomes after each settled one, numbered to be joined by the running ``settled`` count.
    - ``exposures``: the last exposures after each one, numbered to be joined by the running ``shown`` count.
    - ``panes``: at each pane's first change, the counts before it and before each of the previous fifteen panes.
    """
    keys = [f"k{number}" for number in range(len(plan.keys))]
    parts = [f"kept AS ({_kept(plan, keys)})", f"changes AS ({_changes(plan, keys)})"]
    parts.append(f"running AS ({_running(plan, keys)})")
    joins = ""
    if plan.last:
        parts.append(f"outcomes AS ({_outcomes(plan, keys)})")
        joins += f" LEFT JOIN outcomes ON outcomes.place = running.settled{_same(keys, 'outcomes')}"
    if plan.last_exposures:
        parts.append(f"exposures AS ({last_exposures(plan, keys, _partition(keys))})")
        joins += f" LEFT JOIN exposures ON exposures.place = running.shown{_same(keys, 'exposures')}"
    if plan.window is not None:
        parts.append(f"panes AS ({_panes(plan, keys)})")
        joins += f" JOIN panes ON panes.pane = running.pane{_same(keys, 'panes')}"
    named = [f"running.{key} AS {identifier(name)}" for key, name in zip(keys, plan.keys, strict=True)]
    named.append(f"running.moment AS {VALID_FROM}")
    named += [f"{value} AS {identifier(name)}" for value, name in zip(_values(plan), state_columns(plan), strict=True)]
    order = ", ".join(["running.moment", *(f"running.{key}" for key in keys)])
    return f"WITH {', '.join(parts)} SELECT {', '.join(named)} FROM running{joins} ORDER BY {order}"


def _values(plan: CounterPlan) -> Iterator[str]:
    """One SQL expression per state column, in their order."""
    yield from (f"running.{identifier(statistic)}" for statistic in plan.statistics)
    if plan.recency:
        yield "coalesce(running.shown_last, 0)"
    if plan.last:
        yield from (f"coalesce(outcomes.{identifier(_last(rate.name))}, [])" for rate in plan.rates)
    if plan.last_exposures:
        yield from exposure_lists(plan)
    if plan.window is not None:
        yield "panes.panes"
        yield from (f"panes.{identifier(statistic)}" for statistic in plan.statistics)


def _kept(plan: CounterPlan, keys: list[str]) -> str:
    named = [f"{identifier(key_column(c))} AS {k}" for c, k in zip(plan.columns, keys, strict=True)]
    rates = [f"{identifier(rate_column(rate.name))}" for rate in plan.rates]
    there = "".join(f" AND {identifier(key_column(column))} IS NOT NULL" for column in plan.columns)
    if plan.residual:
        rates += [identifier(expected_column(rate.name)) for rate in plan.rates]
    compared = [identifier(key_column(one.column)) for one in plan.compared]
    selected = ", ".join([*named, "id", "time", "settled", *rates, *compared])
    return f"SELECT {selected} FROM {SHOWN} WHERE {identifier(kept_column(plan.name))}{there}"


def _changes(plan: CounterPlan, keys: list[str]) -> str:
    events = []
    if plan.exposures:
        nothing = [f"0 AS {identifier(statistic)}" for statistic in plan.statistics[1:]]
        events.append(f"SELECT {', '.join([*keys, 'time AS moment', '1 AS shown', *nothing])} FROM kept")
    if plan.rates:
        counts = ["0 AS shown"] if plan.exposures else []
        counts.append("1 AS settled")
        for rate in plan.rates:
            value = identifier(rate_column(rate.name))
            counts.append(f"greatest({value}, 0) AS {identifier(f'{rate.name}_sum')}")
            if rate.filter:
                counts.append(f"CAST({value} >= 0 AS INTEGER) AS {identifier(f'{rate.name}_of')}")
            if plan.residual:
                expected = identifier(expected_column(rate.name))
                residual = f"CASE WHEN {value} >= 0 THEN {value} * {MILLION} // {rate.scale} - {expected} END"
                counts.append(f"coalesce({residual}, 0) AS {identifier(f'{rate.name}_residual')}")
                counts.append(f"CAST({residual} IS NOT NULL AS INTEGER) AS {identifier(f'{rate.name}_residuals')}")
        events.append(f"SELECT {', '.join([*keys, 'settled AS moment', *counts])} FROM kept")
    sums = ", ".join(f"sum({identifier(s)}) AS {identifier(s)}" for s in plan.statistics)
    by = ", ".join([*keys, "moment"])
    return f"SELECT {by}, {sums} FROM ({' UNION ALL '.join(events)}) GROUP BY {by}"


def _running(plan: CounterPlan, keys: list[str]) -> str:
    selected = [*keys, "moment"]
    for statistic in map(identifier, plan.statistics):
        selected.append(f"CAST(sum({statistic}) OVER up_to AS BIGINT) AS {statistic}")
    if plan.recency:
        selected.append("max(CASE WHEN changes.shown > 0 THEN moment END) OVER up_to AS shown_last")
    if plan.window is not None:
        # DuckDB's // rounds toward 0, but a pane is a floor.
        remainder = f"((moment % {plan.pane}) + {plan.pane}) % {plan.pane}"
        selected.append(f"(moment - {remainder}) // {plan.pane} AS pane")
        for statistic in plan.statistics:
            selected.append(f"changes.{identifier(statistic)} AS {identifier(_added(statistic))}")
    window = f"({_partition(keys)}ORDER BY moment ROWS UNBOUNDED PRECEDING)"
    return f"SELECT {', '.join(selected)} FROM changes WINDOW up_to AS {window}"


def _outcomes(plan: CounterPlan, keys: list[str]) -> str:
    selected = [*keys, "row_number() OVER (in_order) AS place"]
    for rate in plan.rates:
        selected.append(
            f"list(CAST({identifier(rate_column(rate.name))} AS BIGINT)) OVER "
            f"(in_order ROWS {plan.last - 1} PRECEDING) AS {identifier(_last(rate.name))}"
        )
    return f"SELECT {', '.join(selected)} FROM kept WINDOW in_order AS ({_partition(keys)}ORDER BY settled, id)"


def _panes(plan: CounterPlan, keys: list[str]) -> str:
    before = [f"{identifier(s)} - {identifier(_added(s))} AS {identifier(s)}" for s in plan.statistics]
    opened = (
        f"SELECT {', '.join([*keys, 'pane', *before])} FROM running "
        f"QUALIFY lag(pane) OVER ({_partition(keys)}ORDER BY moment) IS DISTINCT FROM pane"
    )
    lists = [f"list({identifier(s)}) OVER within AS {identifier(s)}" for s in plan.statistics]
    window = f"({_partition(keys)}ORDER BY pane RANGE {PANES - 1} PRECEDING)"
    selected = ", ".join([*keys, "pane", "list(pane) OVER within AS panes", *lists])
    return f"SELECT {selected} FROM ({opened}) WINDOW within AS {window}"


def _added(statistic: str) -> str:
    """Column of what a time adds to a statistic. Names in a spec contain no spaces."""
    return f"added {statistic}"


def _last(rate: str) -> str:
    """Column of a rate's last outcomes."""
    return f"last {rate}"


def _partition(keys: list[str]) -> str:
    return f"PARTITION BY {', '.join(keys)} " if keys else ""


def _same(keys: list[str], relation: str) -> str:
    return "".join(f" AND {relation}.{key} = running.{key}" for key in keys)
