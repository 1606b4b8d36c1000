"""The preview of a product's rows: windows, surfaces, edges, in numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from feature_repo.checks.edges import edge_rows, moment_of, visible_before
from feature_repo.sources.labels import LABELED, inside
from feature_repo.sources.size import as_json, decisions
from models.filters import mask
from models.spec import Spec
from models.spec.schema import WINDOW_ORDER
from models.time_units import DAY, moment

Tables = Mapping[str, pd.DataFrame]


def preview(spec: Spec, tables: Tables) -> dict[str, Any]:
    """``windows``, ``edges``: by name; ``decided``: what ingest decides of the keys that the spec leaves open.

    A window has its days, rows, members, items, items_per_day (mean of the days with rows), by task {rows, positives},
    by surface the same, and shares of its rows: new_items (not shown before the window), unseen_items (without a train
    row), new_members (no engagement before the window); and history, the engagements of its members before it begins
    {median, p90}. An edge type has its rows, those before the train window and up to the end of the data, and the
    degrees of both ends where there is any: {median, p75, p90}.
    """
    shown, seeds = tables[spec.impressions.table], tables[spec.impressions.seeds]
    edges = [name for name, edge in spec.active_edges().items() if edge.table in tables]
    windows = {window: _window(spec, seeds if window in LABELED else shown, window) for window in WINDOW_ORDER}
    past = _history(spec, tables)
    for window in LABELED:
        windows[window] |= _cold(spec, seeds, window, shown, past)
    return {
        "windows": windows,
        "after": int((shown[spec.impressions.time] >= moment_of(spec.span("test").end)).sum()),
        "edges": {name: _edge(spec, tables, name) for name in edges},
        "decided": _decided(spec, tables),
    }


def degrees(keys: pd.Series) -> dict[str, float]:
    """Median, 75th and 90th percentile of how often a key occurs, over the keys that occur; 0 without any."""
    counts = keys.dropna().value_counts().to_numpy()
    found = np.percentile(counts, (50, 75, 90)) if len(counts) else np.zeros(3)
    return dict(zip(("median", "p75", "p90"), map(float, found), strict=True))


def _history(spec: Spec, tables: Tables) -> pd.DataFrame:
    """Member and time of every engagement."""
    parts = [
        edge_rows(tables, edge).rename(columns={edge.source.column: "member", edge.time: "at"})[["member", "at"]]
        for edge in spec.active_edges().values()
        if edge.kind == "engagement" and edge.source.node == spec.impressions.member.node and edge.table in tables
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"member": [], "at": []})


def _window(spec: Spec, shown: pd.DataFrame, window: str) -> dict[str, Any]:
    rows, span, columns = inside(spec, shown, window), spec.span(window), spec.impressions
    first, last = (moment(time).astimezone(spec.zone).date() for time in (span.start, span.end - DAY // 2))
    item, member = rows[columns.item.column], rows[columns.member.column]
    days = rows[columns.time].dt.tz_convert(spec.zone).dt.date
    per_day = item.groupby(days).nunique()
    return {
        "first": str(first),
        "last": str(last),
        "rows": len(rows),
        "days_with_rows": len(per_day),
        "members": int(member.nunique()),
        "items": int(item.nunique()),
        "items_per_day": float(per_day.mean()) if len(per_day) else 0.0,
        "tasks": _tasks(spec, rows),
        "surfaces": {str(name): {"rows": len(part), "tasks": _tasks(spec, part)}
                     for name, part in rows.groupby(columns.surface, sort=True, observed=True)},
    }  # fmt: skip


def _tasks(spec: Spec, rows: pd.DataFrame) -> dict[str, dict[str, int]]:
    found = {}
    for name, task in spec.tasks.items():
        label = rows[task.label][mask(rows, task.filter)].dropna()
        found[name] = {"rows": len(label), "positives": int((label == 1).sum())}
    return found


def _cold(spec: Spec, seeds: pd.DataFrame, window: str, shown: pd.DataFrame, past: pd.DataFrame) -> dict[str, Any]:
    rows, columns, start = inside(spec, seeds, window), spec.impressions, moment_of(spec.span(window).start)
    items, members = rows[columns.item.column], rows[columns.member.column]
    earlier = shown.loc[shown[columns.time] < start, columns.item.column]
    trained = inside(spec, seeds, "train")[columns.item.column]
    counts = past.loc[past["at"] < start, "member"].value_counts() if len(past) else pd.Series(dtype="int64")
    known = members.drop_duplicates().map(counts).fillna(0).to_numpy(dtype=float)
    return {
        "new_items": _share(~items.isin(earlier)),
        "unseen_items": None if window == "train" else _share(~items.isin(trained)),
        "new_members": _share(~members.isin(counts.index)),
        "history": {
            "median": float(np.median(known)) if len(known) else 0.0,
            "p90": float(np.percentile(known, 90)) if len(known) else 0.0,
        },
    }


def _share(of: pd.Series) -> float:
    return float(of.mean()) if len(of) else 0.0


def _edge(spec: Spec, tables: Tables, name: str) -> dict[str, Any]:
    edge = spec.edges[name]
    rows = edge_rows(tables, edge)
    known = rows[(rows[edge.time] < moment_of(spec.span("train").end)).to_numpy()]
    return {
        "rows": len(rows),
        "before_train": visible_before(spec, rows, edge.time, "train"),
        "of_source": degrees(known[edge.source.column]),
        "of_target": degrees(known[edge.target.column]),
        "source": edge.source.node,
        "target": edge.target.node,
    }


def _decided(spec: Spec, tables: Tables) -> dict[str, Any]:
    needed = {edge.table for edge in spec.active_edges().values()}
    return as_json(decisions(spec, tables)) if needed <= set(tables) else {}
