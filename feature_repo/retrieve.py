"""Training set out of Feast: every impression with its features as of its time, and the versions of every node."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from feature_repo.as_of import RetrievalError, features_as_of
from feature_repo.as_of.collaborative import collaborative_as_of
from feature_repo.as_of.counters import counters_as_of, exposure_outcomes_as_of
from feature_repo.as_of.times import timed_as_of
from feature_repo.as_of.versions import node_versions
from feature_repo.cold import as_new, behavior_views, twin_sides, twins_of
from feature_repo.frozen import frozen_time
from feature_repo.views.errors import NotAppliedError
from feature_repo.views.pushed import folder_of
from feature_repo.views.times import TIMESTAMP, column_microseconds
from models.columns import FROZEN, IMPRESSIONS, SAMPLED, TWINS, WINDOW
from models.features import (
    FROZEN_TIME,
    collaborative_views,
    counted_attributes,
    counter_views,
    keyed_by_member,
    member_ages,
    member_state_columns,
    time_features,
    training_columns,
)
from models.files import replaced_folder, sha256_of_file
from models.spec import Spec
from models.spec.schema import WINDOW_ORDER

_log = logging.getLogger(__name__)
_SEED_WINDOWS = WINDOW_ORDER[1:]


def retrieve(store: Any, spec: Spec, tables: Path, folder: Path, address: str | None = None) -> dict[str, Any]:
    """Write the training set to ``folder``, replacing it atomically, and return its manifest.

    ``impressions.parquet``: the rows of the windows train, validate, gate and test, ordered by key, with the table's
    columns that the spec names, ``window``, and every feature as of the row's time. ``frozen.parquet``: the same rows
    and columns with the member's views and outcomes strictly before the additional column ``frozen_time``.
    With ``training.cold_share``, ``cold.parquet`` and ``cold_frozen.parquet``: the same of the cold twins; with
    ``training.cold_member_share``, ``cold_member.parquet`` and ``cold_member_frozen.parquet``: of those of members.
    ``versions_<node>.parquet``: the node's key, ``valid_from`` and its features. Times are microseconds UTC.

    ``tables`` is a copy on this machine of the tables at ``address``, which were applied (None = the folder itself).

    Raises NotAppliedError if the store was applied with other tables, RetrievalError if a key is null.
    """
    _check_applied(store, spec, address or str(tables.resolve()))
    with replaced_folder(folder) as fresh:
        rows = _impressions(spec, tables)
        as_of = features_of(store, spec, rows)
        _write(fresh, IMPRESSIONS, as_of)
        _write(fresh, FROZEN, _frozen(store, spec, as_of))
        for side in twin_sides(spec):
            twins = features_of(store, spec, twins_of(spec, tables, rows, side), cold=side)
            for name, table in zip(TWINS[side], (twins, _frozen(store, spec, twins, cold=side)), strict=True):
                _write(fresh, name, table)
        for node in spec.nodes:
            if spec.nodes[node].views:
                _write(fresh, f"versions_{node}", node_versions(store, spec, node))
        return _manifest(spec, fresh, as_of)


def _check_applied(store: Any, spec: Spec, expected: str) -> None:
    """Check that the store's file sources are at the expected address."""
    found = {view.name: folder_of(view.batch_source.path) for view in store.list_feature_views()}
    views = [view for node in spec.nodes.values() for view in node.views]
    for view in [*counter_views(spec), *collaborative_views(spec), *views]:
        if found.get(view) != expected:
            where = found.get(view, "no such view")
            raise NotAppliedError(
                f"view {view}: expected its table in {expected}; found {where}. Apply these tables first"
            )


def _impressions(spec: Spec, tables: Path) -> pa.Table:
    """Impressions of the seed windows, ordered by key, with the columns that the spec names and ``window``.

    Where negatives are sampled, also these, and ``sampled``.
    """
    shown = spec.impressions
    filtered = [column for task in spec.tasks.values() for column in task.filter]
    filtered += [column for counter in spec.counters.values() for column in counter.filter]
    required = [shown.key, shown.member.column, shown.item.column, shown.surface, shown.time, shown.settled]
    given = [feature.name for feature in shown.typed_given]
    columns = list(dict.fromkeys([*required, *given, *shown.outcomes, *filtered]))
    columns += [SAMPLED] if shown.sample_negatives else []
    table = pq.read_table(tables / f"{shown.seeds}.parquet", columns=columns).sort_by(shown.key)
    for feature in shown.typed_given:
        if feature.kind == "category":  # an empty text is a missing value, as in a request
            column = table[feature.name]
            known = pc.if_else(pc.equal(column, ""), None, column)
            table = table.set_column(table.schema.get_field_index(feature.name), feature.name, known)
    for name in (shown.time, shown.settled):
        table = table.set_column(table.schema.get_field_index(name), name, table[name].cast(TIMESTAMP))
    window = _window_of(spec, _times(table[shown.time]))
    table = table.append_column(WINDOW, pa.array(np.array(["", *_SEED_WINDOWS])[window + 1]))
    return table.filter(pa.array(window >= 0))


def _window_of(spec: Spec, times: np.ndarray) -> np.ndarray:
    """Index of each time's window among the seed windows, -1 outside them: (rows,) int64."""
    spans = [spec.span(window) for window in _SEED_WINDOWS]
    bounds = np.array([span.start for span in spans] + [spans[-1].end])
    position = np.searchsorted(bounds, times, side="right") - 1
    return np.where(position < len(spans), position, -1)


def features_of(store: Any, spec: Spec, rows: pa.Table, cold: str | None = None) -> pa.Table:
    """The rows with every feature of the training set strictly before the row's time.

    ``cold``: the side, item or member, that is read as if it had never been met: only its views without behavior are
    its own.

    ``rows``: the keys of member and item, surface, time and context by the names of the impressions' table, times in
    microseconds UTC. They need not be in the applied tables. Raises RetrievalError if a key is null.
    """
    started = time.monotonic()
    times = _times(rows[spec.impressions.time])
    views = [view for _, column in spec.node_columns() for view in spec.nodes[column.node].views]
    keys = _keys(spec, rows)
    found = _views_as_of(store, spec, keys, times, views, cold)
    keys = as_new(spec, keys, cold) if cold else keys
    # Counters may be keyed by the item features just retrieved, or compare them.
    keys |= {feature: found[feature].to_pandas().to_numpy() for feature in counted_attributes(spec)}
    found |= counters_as_of(store, spec, keys, times, list(spec.counters))
    found |= collaborative_as_of(store, spec, keys, times)
    found |= timed_as_of(spec, times, found)
    for feature in (*training_columns(spec), *time_features(spec)):
        rows = rows.append_column(feature.name, found[feature.name])
    _log.info("%d rows, %d columns in %.1f s", rows.num_rows, len(found), time.monotonic() - started)
    return rows


def _views_as_of(
    store: Any, spec: Spec, keys: dict[str, np.ndarray], times: np.ndarray, views: list[str], cold: str | None
) -> dict[str, pa.ChunkedArray]:
    """The features of views strictly before each row's time; those of behavior of the ``cold`` side are missing."""
    hidden = behavior_views(spec, cold) if cold else []
    found = features_as_of(store, keys, times, [view for view in views if view not in hidden])
    if cold:
        found |= features_as_of(store, as_new(spec, keys, cold), times, [view for view in views if view in hidden])
    return found


def _frozen(store: Any, spec: Spec, as_of: pa.Table, cold: str | None = None) -> pa.Table:
    """The rows with the member's state as of ``frozen_time``.

    Frozen are the member's views, the outcome features of counters keyed by the member, and the collaborative features.
    Exposures stay as of the row's time, as in a ranking request; of the last ones those outcomes are known that had
    settled by the frozen time. Clocks and ages of items stay as well; ages since times of the member are as the member
    was then, at the row's time. ``cold`` as in ``features_of``.
    """
    shown = spec.impressions
    times, window = _times(as_of[shown.time]), as_of[WINDOW].to_pandas().to_numpy()
    frozen = frozen_time(spec, as_of[shown.key].combine_chunks(), times, window)
    keys = _keys(spec, as_of)
    found = _views_as_of(store, spec, keys, frozen, list(spec.nodes[shown.member.node].views), cold)
    keys = as_new(spec, keys, cold) if cold else keys
    keys |= {key: as_of[key].to_pandas().to_numpy() for key in counted_attributes(spec)}
    counters = [name for name, counter in spec.counters.items() if keyed_by_member(counter) and counter.rates != []]
    found |= counters_as_of(store, spec, keys, frozen, counters)
    found |= exposure_outcomes_as_of(store, spec, keys, times, frozen)
    found |= collaborative_as_of(store, spec, keys, frozen)
    found |= timed_as_of(spec, times, found, member_ages(spec))
    rows = as_of
    for name in member_state_columns(spec):
        rows = rows.set_column(rows.schema.get_field_index(name), name, found[name])
    return rows.append_column(FROZEN_TIME, pa.array(frozen, pa.int64()).cast(TIMESTAMP))


def _keys(spec: Spec, rows: pa.Table) -> dict[str, np.ndarray]:
    """Join keys of member, item and surface by name: (rows,) each."""
    shown = spec.impressions
    columns = {spec.nodes[column.node].key: column.column for _, column in spec.node_columns()}
    columns[shown.surface] = shown.surface
    for column in columns.values():
        if rows[column].null_count:  # numpy would convert the column's integers to floats
            raise RetrievalError(
                f"{shown.table}.{column}: expected a key in every row; found {rows[column].null_count} "
                "nulls. Ingest again"
            )
    return {key: rows[column].to_numpy() for key, column in columns.items()}


def _times(column: pa.ChunkedArray) -> np.ndarray:
    """A time column as (rows,) int64 microseconds UTC."""
    return column_microseconds(column).to_numpy()


def _write(folder: Path, name: str, table: pa.Table) -> None:
    pq.write_table(table, folder / f"{name}.parquet", compression="zstd")


def _manifest(spec: Spec, folder: Path, as_of: pa.Table) -> dict[str, Any]:
    counts = {name: pc.sum(pc.equal(as_of[WINDOW], name)).as_py() or 0 for name in _SEED_WINDOWS}
    described = {}
    for file in sorted(folder.glob("*.parquet")):
        schema = pq.read_schema(file)
        described[file.stem] = {
            "rows": pq.read_metadata(file).num_rows,
            "columns": {field.name: str(field.type) for field in schema},
            "sha256": sha256_of_file(file),
        }
    manifest = {"format": 1, "spec": spec.name, "windows": counts, "tables": described}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    return manifest
