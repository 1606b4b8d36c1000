"""Drift of the features of members and items, as each impression or served candidate saw them.

Numbers and categories are compared as they are; a vector by its norm and by its cosine with the mean direction of the
reference; a text by its number of characters and, in the same way, by its words. A missing value is missing in both.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.clock import latest
from models.features import node_features
from models.graph.text import bag_of_words
from models.profile import FEWEST_ROWS, compare_columns, profile_rows
from models.profile.measures import cosines, direction, lengths, matrix, norms
from models.spec import Feature, Spec
from monitoring.days import JoinedRows
from monitoring.days.columns import category_column, number_column
from monitoring.days.rows import Rows
from monitoring.drift import DISTANCE, judged

SHOWN = ["member", "item", "served"]
"""What is read of a joined row, to know what was shown to whom when."""
MOST_ROWS = 20_000
"""Rows of a side that are compared at most, evenly spread: a step may hold their vectors in memory."""
Retrieve = Callable[[Mapping[str, np.ndarray], np.ndarray], Mapping[str, pa.ChunkedArray]]
"""The features of members and items by name, of rows with these keys (by the key's name), strictly before these times
(microseconds UTC)."""


def compared_nodes(spec: Spec) -> dict[str, Feature]:
    """The features of the member and the item node, by name."""
    return {one.name: one for _, column in spec.node_columns() for one in node_features(spec, column.node)}


def node_drift(spec: Spec, reference: pa.Table, current: pa.Table) -> dict[str, dict[str, Any]]:
    """Entries of ``monitoring.drift``'s summary for the features of nodes that both tables have.

    A vector has two entries, ``<name> (norm)`` and ``<name> (direction)``, a text ``<name> (length)`` and ``<name>
    (words)``. The threshold is the ``drift`` of the feature's ``expectations``, else that of all columns. Nothing is
    compared where a side has fewer than 50 rows.
    """
    if min(len(reference), len(current)) < FEWEST_ROWS:
        return {}
    here = set(reference.column_names) & set(current.column_names)
    found: dict[str, dict[str, Any]] = {}
    for name, feature in compared_nodes(spec).items():
        if name not in here:
            continue
        vectors = _vectors(feature, reference[name])
        usual = None if vectors is None else direction(vectors)
        before, now = (measured(feature, side[name], usual) for side in (reference, current))
        columns = [Feature(one, "category" if feature.kind == "category" else "number", 1) for one in before]
        profiles = profile_rows(pa.table(before), columns)
        shifts = compare_columns(profiles, profile_rows(pa.table(now), columns, profiles))
        for column in columns:
            found[column.name] = judged(column, shifts[column.name], threshold_of(spec, name))
    return found


def threshold_of(spec: Spec, feature: str) -> float:
    """The distance from which a feature of a node has drifted: that of its view's expectations, else 0.1."""
    for _, column in spec.node_columns():
        for view in spec.nodes[column.node].views.values():
            expected = view.expectations.get(feature)
            if expected is not None and expected.drift is not None:
                return expected.drift
    return DISTANCE


def sampled(path: Path, window: str, spec: Spec) -> pa.Table:
    """The nodes' features of at most 20,000 rows of a window of a training set's impressions, evenly spread."""
    names = [name for name in compared_nodes(spec) if name in pq.read_schema(path).names]
    with pq.ParquetFile(path) as file:
        inside = pc.equal(file.read(columns=["window"])["window"], window)
        chosen = _spread(np.flatnonzero(inside.to_numpy(zero_copy_only=False)))
        parts, begin = [file.schema_arrow.empty_table().select(names)], 0
        for batch in file.iter_batches(columns=names):
            own = chosen[(chosen >= begin) & (chosen < begin + len(batch))] - begin
            parts.append(pa.Table.from_batches([batch]).select(names).take(pa.array(own)))
            begin += len(batch)
    return pa.concat_tables(parts)


def served(spec: Spec, rows: pa.Table, retrieve: Retrieve) -> pa.Table:
    """The nodes' features of at most 20,000 served candidates, as of when they were served.

    ``rows``: ``member``, ``item`` and ``served`` (microseconds UTC) of each; impossible times are left out.
    """
    possible = pc.and_(pc.greater(rows["served"], 0), pc.less_equal(rows["served"], latest()))
    rows = rows.filter(possible).drop_null()
    rows = rows.take(pa.array(_spread(np.arange(len(rows)))))
    keys = {spec.nodes[column.node].key: rows[role].to_numpy() for role, column in spec.node_columns()}
    return pa.table(dict(retrieve(keys, rows["served"].to_numpy())))


def day_columns(spec: Spec, retrieve: Retrieve, rows: pa.Table | JoinedRows) -> dict[str, dict[str, Any]]:
    """The nodes' features of a day's joined rows that are no fallbacks, as ``DaySummary.columns``, with ``node``: true.

    As in ``node_drift``, but a vector's direction and a text's words are compared with one direction that never
    changes, so that any two days can be compared.
    """
    ranked = rows.filter(pc.invert(pc.fill_null(rows["fallback"], False))) if len(rows) else rows
    found = served(spec, ranked.select(SHOWN), retrieve) if len(ranked) else pa.table({})
    if not len(found):
        return {}
    columns: dict[str, dict[str, Any]] = {}
    for name, feature in compared_nodes(spec).items():
        if name in found.column_names:
            measures = measured(feature, found[name])
            table = Rows(pa.table(measures))
            for one in measures:
                if feature.kind == "category":
                    columns[one] = category_column(table.read_names(one), np.ones(len(found), dtype=bool))
                else:
                    columns[one] = number_column(table.read_numbers(one))
    return {name: {**column, "node": True} for name, column in columns.items()}


def measured(feature: Feature, column: pa.ChunkedArray, usual: np.ndarray | None = None) -> dict[str, Any]:
    """The columns by name that a feature is compared by, of ``column`` (rows,): each (rows,).

    ``usual`` (size,): the direction with which vectors are compared; None = that of ones, the same on every day.
    """
    vectors = _vectors(feature, column)
    if vectors is None:
        return {feature.name: column}
    sizes = lengths(column) if feature.kind == "text" else pa.array(norms(vectors), from_pandas=True)
    close = cosines(vectors, np.ones(vectors.shape[1]) if usual is None else usual)
    size, direct = ("length", "words") if feature.kind == "text" else ("norm", "direction")
    return {f"{feature.name} ({size})": sizes, f"{feature.name} ({direct})": pa.array(close, from_pandas=True)}


def _vectors(feature: Feature, column: pa.ChunkedArray) -> np.ndarray | None:
    """(rows, size) of a vector or of a text's words; None for numbers and categories."""
    if feature.kind == "text":
        return bag_of_words(column.cast(pa.string()))[:, :-1].astype(np.float64)
    return matrix(column, feature.size) if feature.kind == "vector" else None


def _spread(places: np.ndarray) -> np.ndarray:
    kept = min(len(places), MOST_ROWS)
    return places[np.arange(kept) * len(places) // max(kept, 1)]
