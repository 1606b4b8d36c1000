"""Warnings about the rows of valid tables, a sentence each: what is accepted, and probably not meant or not useful."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from feature_repo.checks.edges import edge_rows, moment_of, visible_before
from feature_repo.quality import check as broken
from feature_repo.sources.labels import count_labels, dates, inside
from models.filters import settled
from models.spec import Spec
from models.spec.nodes import View

Tables = Mapping[str, pd.DataFrame]
_UNMATCHED, _UNSETTLED = 0.01, 0.2
"""Shares of rows from which on a warning is given."""


class Least(NamedTuple):
    """With fewer in the gate window the gate judges nothing."""

    rows: int = 0
    members: int = 0
    of_a_class: int = 0


ANY = Least()


def row_warnings(spec: Spec, tables: Tables, least: Least) -> Iterator[str]:
    """What is accepted and is probably not meant, or not useful."""
    shown, seeds = tables[spec.impressions.table], tables[spec.impressions.seeds]
    yield from _too_few(spec, seeds, least)
    yield from _unsettled(spec, seeds)
    missing = sorted(set(spec.impressions.surfaces) - set(shown[spec.impressions.surface].dropna()))
    if missing:
        yield f"impressions.surfaces: no impression on {', '.join(missing)}. Remove what does not occur any more"
    yield from _edges(spec, tables)
    for name, node in spec.nodes.items():
        for view_name, view in node.views.items():
            if view.table in tables:
                yield from _view(spec, tables, name, view_name, view)
    yield from _constant(spec, tables)


def _too_few(spec: Spec, shown: pd.DataFrame, least: Least) -> Iterator[str]:
    gate = inside(spec, shown, "gate")
    members = gate[spec.impressions.member.column].nunique()
    labels = next(one for one in count_labels(spec, shown) if (one.window, one.task) == ("gate", spec.primary_task))
    fewest = min(labels.positives, labels.rows - labels.positives)
    where = f"window gate ({dates(spec, 'gate')})"
    for what, found, needed in (
        ("rows", labels.rows, least.rows),
        ("members", members, least.members),
        (f"rows of the rarer class of {labels.task}", fewest, least.of_a_class),
    ):
        if found < needed and not (labels.rows and labels.one_class):  # which is an error
            yield (
                f"{where}: found {found:,} {what}, fewer than {needed:,}: the gate would hold every candidate. Make "
                "windows.gate.days longer"
            )


def _unsettled(spec: Spec, shown: pd.DataFrame) -> Iterator[str]:
    """Rows whose outcome comes too late for the fit that would read it."""
    for window in ("train", "validate"):
        rows = inside(spec, shown, window)
        late = (rows[spec.impressions.settled] >= moment_of(spec.span(window).end)).mean() if len(rows) else 0.0
        if late > _UNSETTLED:
            yield (
                f"window {window} ({dates(spec, window)}): the outcomes of {late:.0%} of the rows settle after its end "
                f"and are not read there. Make windows.{window}.days longer than outcomes take to settle"
            )
    both = [inside(spec, shown, window).assign(window=window) for window in ("train", "validate")]
    frame = pd.concat(both, ignore_index=True)
    if (frame["window"] == "validate").any() and not settled(spec, frame)[frame["window"] == "validate"].any():
        yield (
            f"window validate ({dates(spec, 'validate')}): no row was shown early enough before its end to have "
            "settled, so nothing chooses the epochs or calibrates. Make windows.validate.days longer"
        )


def _edges(spec: Spec, tables: Tables) -> Iterator[str]:
    for name, edge in spec.active_edges().items():
        if edge.table not in tables:
            continue
        rows = edge_rows(tables, edge)
        if not len(rows):
            kept = " that its filter keeps" if edge.filter else ""
            yield f"edges.{name}: found no row in table {edge.table}{kept}. Check the filter, or remove the edge type"
        elif not visible_before(spec, rows, edge.time, "train"):
            yield (
                f"edges.{name}: none of its {len(rows):,} rows lies before the train window, the first is at "
                f"{rows[edge.time].min():%Y-%m-%d %H:%M} UTC. Is {edge.time} the right column, or the graph window too "
                "short?"
            )
        yield from _strangers(spec, tables, name, rows)


def _strangers(spec: Spec, tables: Tables, name: str, rows: pd.DataFrame) -> Iterator[str]:
    """An edge type none of whose keys is that of a member or an item that was shown."""
    edge, shown = spec.edges[name], tables[spec.impressions.table]
    for _, column in spec.node_columns():
        for end in (edge.source, edge.target):
            if end.node == column.node and len(rows) and not rows[end.column].isin(shown[column.column]).any():
                yield (
                    f"edges.{name}: no key in {edge.table}.{end.column} (such as {_example(rows[end.column])}) is in "
                    f"{spec.impressions.table}.{column.column} (such as {_example(shown[column.column])}). Check that "
                    "both name the same thing"
                )


def _view(spec: Spec, tables: Tables, node: str, name: str, view: View) -> Iterator[str]:
    rows, key = tables[view.table], spec.nodes[node].key
    for _, column in spec.node_columns():
        if column.node != node:
            continue
        asked = tables[spec.impressions.table][column.column]
        absent = asked[~asked.isin(rows[key])]
        if len(absent) > _UNMATCHED * len(asked):
            yield (
                f"view {name}: {len(absent) / len(asked):.0%} of the impressions have a {column.column} that is not in "
                f"{view.table}.{key}, such as {_example(absent)}: its features are missing there. Check the keys"
            )
    if not len(rows):
        yield f"view {name}: table {view.table} has no rows: all its features are missing"
    elif not visible_before(spec, rows, view.time, "validate"):
        yield (
            f"view {name}: no row of table {view.table} is valid before the train window ends; the first is from "
            f"{rows[view.time].min():%Y-%m-%d %H:%M} UTC. Is {view.time} when it became known?"
        )
    elif view.expectations or view.fresh_within_days is not None:
        newest = rows.sort_values(view.time, kind="stable").drop_duplicates(key, keep="last")
        table = pa.Table.from_pandas(newest[[view.time, *view.expectations]], preserve_index=False)
        end = int(newest[view.time].max().value // 1000) + 1
        yield from (
            f"{one}. Until then it is not written online" for one in broken(name, view, table, view.time, None, end)
        )


def _constant(spec: Spec, tables: Tables) -> Iterator[str]:
    """Features with one value in every row."""
    named = {(view.table, feature): name for _, node in spec.nodes.items() for name, view in node.views.items()
             for feature, kind in view.features.items() if kind in ("number", "category")}  # fmt: skip
    named |= {(spec.impressions.table, column): "the context" for column, *_ in spec.impressions.typed_given}
    for (table, column), where in named.items():
        values = tables[table][column] if table in tables else pd.Series()
        if len(values) > 1 and (values.isna().all() or (values.notna().all() and values.nunique() == 1)):
            found = "no value" if values.isna().all() else f"the value {_example(values)}"
            yield f"table {table}, column {column} ({where}): {found} in all {len(values):,} rows; it tells nothing"


def _example(values: pd.Series) -> str:
    """The first value."""
    found = values.iloc[0]
    return repr(found.item() if isinstance(found, np.generic) else found)
