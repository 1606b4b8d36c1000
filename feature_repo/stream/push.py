"""Push rows of an event table through Feast's own push, as its feature server does."""

from collections.abc import Mapping, Sequence
from typing import Any

from feature_repo.stream.errors import StreamError
from feature_repo.stream.outcome import Outcome, collecting
from feature_repo.stream.plan import TAG, EventPlan, read_plan
from feature_repo.stream.read_file import read_file
from feature_repo.views.errors import NotAppliedError
from feature_repo.views.pushed import RECENT, TIMES
from models.time_units import moment

_ROUNDED = 2**53
"""From here on a float does not hold every integer."""


def push_file(store: Any, table: str, file: str) -> str:
    """Push the rows of a file; return a summary. Raises StreamError if a row is invalid: nothing is written."""
    plan = plan_of_table(store, table)
    rows = read_file(plan, file)
    outcome = push_rows(store, plan, rows)
    return _summary(plan, rows, outcome)


def push_rows(store: Any, plan: EventPlan, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """Push validated rows, whose times are int microseconds UTC; return what became of them."""
    if not rows:
        return Outcome()
    with collecting() as outcome:
        for part in _split_by_nulls(plan, rows):
            store.push(plan.table, _frame(plan, part))
    return outcome


def _split_by_nulls(plan: EventPlan, rows: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    """Split rows so that no int column with large values has nulls: Feast would convert it to floats and round."""
    integers = [column for column, kind in plan.columns.items() if kind == "int"]
    mixed = [
        column
        for column in integers
        if any(row[column] is None for row in rows) and any(abs(row[column] or 0) >= _ROUNDED for row in rows)
    ]
    parts: dict[tuple[bool, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        parts.setdefault(tuple(row[column] is None for column in mixed), []).append(row)
    return list(parts.values())


def plan_of_table(store: Any, table: str) -> EventPlan:
    """The plan of an event table. Raises NotAppliedError if nothing is applied, StreamError for another table."""
    plans = {view.stream_source.name: view.tags[TAG] for view in store.list_feature_views() if TAG in view.tags}
    if not plans:
        raise NotAppliedError("the registry: expected views of event tables; found none. Apply the tables first")
    if table not in plans:
        raise StreamError(f"--table: expected one of {', '.join(sorted(plans))}; found {table!r}")
    return read_plan(plans[table])


def _frame(plan: EventPlan, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The rows as a frame for Feast: the event time as a timestamp, other times as text."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for column, kind in plan.columns.items():
        values = [row[column] for row in rows]
        if kind == "time":
            times = [None if value is None else moment(value) for value in values]
            if column == plan.time:
                columns[column] = pd.Series(times, dtype="datetime64[us, UTC]")
            else:
                columns[column] = pd.Series([time.isoformat() if time else None for time in times], dtype=object)
        else:
            columns[column] = pd.Series(values, dtype=object)
    return pd.DataFrame(columns)


def _summary(plan: EventPlan, rows: Sequence[Mapping[str, Any]], outcome: Outcome) -> str:
    summary = (
        f"pushed {plan.table}: {outcome.rows} rows, {outcome.new} new, {outcome.duplicates} duplicates, "
        f"{outcome.late} late"
    )
    if (left := len(rows) - outcome.rows) > 0:
        summary += f", {left} of forgotten members left out"
    if outcome.unused:
        summary += f", {outcome.unused} that no counter or edge keeps"
    if outcome.late:
        summary += " (materialize adds late rows once the tables have them)"
    if not rows:
        return summary + "."
    member = rows[-1][plan.member_column]
    command = f"feast get-online-features -f {RECENT}:{TIMES} -e {plan.member_key}={member}"
    return f"{summary}. To see one member: {command}, with the same configuration."
