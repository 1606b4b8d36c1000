"""Rows of an event table through Feast's own push: the same way that its feature server takes."""

from collections.abc import Mapping, Sequence
from typing import Any

from feature_repo.errors import NotAppliedError
from feature_repo.pushed import RECENT, TIMES
from feature_repo.stream.errors import StreamError
from feature_repo.stream.outcome import Outcome, collecting
from feature_repo.stream.plan import TAG, EventPlan, read_plan
from feature_repo.stream.rows import read_file
from feature_repo.stream.values import moment

_ROUNDED = 2**53
"""From here on a float does not hold every whole number."""


def push_file(store: Any, table: str, file: str) -> str:
    """Push the rows of a file; return a sentence on what became of them. Raises StreamError: nothing is written."""
    plan = plan_of_table(store, table)
    rows = read_file(plan, file)
    outcome = push_rows(store, plan, rows)
    return _told(plan, rows, outcome)


def push_rows(store: Any, plan: EventPlan, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """Push checked rows, whose times are int microseconds; return what became of them."""
    if not rows:
        return Outcome()
    with collecting() as outcome:
        for part in _apart(plan, rows):
            store.push(plan.table, _frame(plan, part))
    return outcome


def _apart(plan: EventPlan, rows: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    """The rows in parts: Feast turns a column of whole numbers with nulls into floats, which rounds large ones."""
    whole = [column for column, kind in plan.columns.items() if kind == "int"]
    mixed = [
        column
        for column in whole
        if any(row[column] is None for row in rows) and any(abs(row[column] or 0) >= _ROUNDED for row in rows)
    ]
    parts: dict[tuple[bool, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        parts.setdefault(tuple(row[column] is None for column in mixed), []).append(row)
    return list(parts.values())


def plan_of_table(store: Any, table: str) -> EventPlan:
    """The plan of an event table in the store's registry. Raises NotAppliedError, StreamError for any other table."""
    plans = {view.stream_source.name: view.tags[TAG] for view in store.list_feature_views() if TAG in view.tags}
    if not plans:
        raise NotAppliedError("the registry: expected views of event tables; found none. Apply the tables first")
    if table not in plans:
        raise StreamError(f"--table: expected one of {', '.join(sorted(plans))}; found {table!r}")
    return read_plan(plans[table])


def _frame(plan: EventPlan, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The rows as Feast takes them: a moment is a timestamp where it is the event's, else text."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for column, kind in plan.columns.items():
        values = [row[column] for row in rows]
        if kind == "time":
            moments = [None if value is None else moment(value) for value in values]
            if column == plan.time:
                columns[column] = pd.Series(moments, dtype="datetime64[us, UTC]")
            else:
                columns[column] = pd.Series([m.isoformat() if m else None for m in moments], dtype=object)
        else:
            columns[column] = pd.Series(values, dtype=object)
    return pd.DataFrame(columns)


def _told(plan: EventPlan, rows: Sequence[Mapping[str, Any]], outcome: Outcome) -> str:
    said = (
        f"pushed {plan.table}: {outcome.rows} rows, {outcome.new} new, {outcome.duplicates} duplicates, "
        f"{outcome.late} late"
    )
    if outcome.unused:
        said += f", {outcome.unused} that no counter or edge keeps"
    if outcome.late:
        said += " (materialise brings what late rows change once the tables have them)"
    if not rows:
        return said + "."
    member = rows[-1][plan.member_column]
    look = f"feast get-online-features -f {RECENT}:{TIMES} -e {plan.member_key}={member}"
    return f"{said}. Look at one: {look}, with the same configuration."
