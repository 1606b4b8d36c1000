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

from models.features import node_features
from models.graph.text import bag_of_words
from models.profile import FEWEST_ROWS, compare_columns, profile_rows
from models.profile.measures import cosines, direction, lengths, matrix, norms
from models.spec import Feature, Spec
from monitoring.drift import DISTANCE, judged

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
        before, now = _measures(feature, reference[name], current[name])
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

    ``rows``: ``member``, ``item`` and ``served`` (microseconds UTC) of each.
    """
    rows = rows.take(pa.array(_spread(np.arange(len(rows)))))
    keys = {spec.nodes[column.node].key: rows[role].to_numpy() for role, column in spec.node_columns()}
    return pa.table(dict(retrieve(keys, rows["served"].to_numpy())))


def _measures(feature: Feature, before: pa.ChunkedArray, now: pa.ChunkedArray) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of both sides, the columns to compare by name."""
    if feature.kind in ("number", "category"):
        return {feature.name: before}, {feature.name: now}
    sides = before, now
    if feature.kind == "text":
        vectors = [bag_of_words(side.cast(pa.string()))[:, :-1].astype(np.float64) for side in sides]
        sizes, names = [lengths(side) for side in sides], ("length", "words")
    else:
        vectors = [matrix(side, feature.size) for side in sides]
        sizes, names = [pa.array(norms(one), from_pandas=True) for one in vectors], ("norm", "direction")
    usual = direction(vectors[0])
    closeness = [pa.array(cosines(one, usual), from_pandas=True) for one in vectors]
    size, close = (f"{feature.name} ({name})" for name in names)
    return {size: sizes[0], close: closeness[0]}, {size: sizes[1], close: closeness[1]}


def _spread(places: np.ndarray) -> np.ndarray:
    kept = min(len(places), MOST_ROWS)
    return places[np.arange(kept) * len(places) // max(kept, 1)]
