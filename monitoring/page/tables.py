"""Figures of a report by task and cell, as the page shows them: trends, and tables of the newest day with outcomes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from monitoring.page.trends import SERIES, Line, Value, trend

ALL = "all"
"""Stands for every surface, version or cohort."""
CELLS = ("surface", "version", "cohort")
Row = Mapping[str, Any]


def tasks(days: Sequence[Row]) -> list[str]:
    """The tasks with figures, in the order of the newest day that has them."""
    found = (figure["task"] for day in reversed(days) for figure in day.get("figures") or ())
    return list(dict.fromkeys(found))


def figure_of(day: Row, task: str, **cell: str) -> Row:
    """The figure of a cell; {} where the day has none. What ``cell`` does not name is "all"."""
    wanted = {"task": task, **dict.fromkeys(CELLS, ALL), **cell}
    found = (one for one in day.get("figures") or () if all(one.get(name) == value for name, value in wanted.items()))
    return next(found, {})


def task_view(days: Sequence[Row], task: str, name: str) -> dict[str, Any]:
    """Pictures and tables of a task; ``name`` prefixes the ids of the pictures."""
    newest = next((day for day in reversed(days) if figure_of(day, task).get("settled")), None)
    tables = [] if newest is None else [_table(newest, task, by) for by in ("version", "surface", "cohort")]
    return {
        "task": task,
        "day": newest and newest["day"],
        "pictures": [picture for picture in _pictures(days, task, name) if picture["svg"]],
        "tables": [table for table in tables if len(table["rows"]) > 1],
    }


def _pictures(days: Sequence[Row], task: str, name: str) -> Iterable[dict[str, Any]]:
    dates = [day["day"] for day in days]
    whole = [figure_of(day, task) for day in days]

    def column(field: str, figures: Sequence[Row] = whole) -> list[Value]:
        return [figure.get(field) for figure in figures]

    def with_interval(field: str, figures: Sequence[Row] = whole) -> Line:
        return Line(column(field, figures), column(f"{field}_low", figures), column(f"{field}_high", figures))

    rates = [Line(column("ctr")), Line(column("predicted"))]
    yield _picture("Rate", ["observed (CTR)", "predicted"], trend(dates, rates, f"{name}-rate", shares=True))
    ratio = trend(dates, [with_interval("ratio")], f"{name}-ratio", level=1.0)
    yield _picture("Predicted over observed, with its 95 % interval", [], ratio)
    yield _picture("AUC, with its 95 % interval", [], trend(dates, [with_interval("auc")], f"{name}-auc"))
    versions = _newest(days, task, "version")
    if len(versions) > 1:
        cells = {version: [figure_of(day, task, version=version) for day in days] for version in versions}
        for field, title, level in (
            ("auc", "AUC by version", None),
            ("ratio", "Predicted over observed by version", 1),
        ):
            lines = [Line(column(field, figures)) for figures in cells.values()]
            labels = [f"version {version}" for version in versions]
            yield _picture(title, labels, trend(dates, lines, f"{name}-{field}-version", level))


def _picture(title: str, labels: Sequence[str], svg: str) -> dict[str, Any]:
    return {"title": title, "labels": labels, "svg": svg}


def _newest(days: Sequence[Row], task: str, by: str) -> list[str]:
    """The values that served last, at most as many as there are colors."""
    found = dict.fromkeys(
        str(figure[by])
        for day in reversed(days)
        for figure in day.get("figures") or ()
        if figure["task"] == task and figure.get(by, ALL) != ALL
    )
    return list(found)[: len(SERIES)]


def _table(day: Row, task: str, by: str) -> dict[str, Any]:
    """Figures of one day by surface, version or cohort, those with most rows first; the first row is all of them."""
    others = [name for name in CELLS if name != by]
    rows = [
        {"name": str(figure.get(by, ALL)), **figure}
        for figure in day.get("figures") or ()
        if figure["task"] == task and all(figure.get(name, ALL) == ALL for name in others)
    ]
    rows.sort(key=lambda row: (row["name"] != ALL, -(row.get("settled") or 0), row["name"]))
    place = _scale(rows)
    for row in rows:
        ends = [row.get("ratio_low"), row.get("ratio"), row.get("ratio_high")]
        row["bar"] = [] if ends[1] is None else [place(end or ends[1]) for end in ends]
    return {"by": by, "rows": rows, "one": place(1.0), "explored": any(row.get("usual") is not None for row in rows)}


def _scale(rows: Sequence[Row]) -> Callable[[float], float]:
    """From a ratio to its place on an axis of 100 that all rows share and 1 is on."""
    ends = [row[field] for row in rows for field in ("ratio_low", "ratio", "ratio_high") if row.get(field) is not None]
    low, high = min([0.8, *ends]), min(max([1.25, *ends]), 5.0)
    return lambda ratio: min(max(100 * (ratio - low) / (high - low), 0.0), 100.0)
