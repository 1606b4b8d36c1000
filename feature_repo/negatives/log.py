"""A log of positives as integers: who chose what and when, and the life of items, from canonical frames."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from feature_repo.negatives.chosen import Chosen
from feature_repo.negatives.errors import NegativesError
from feature_repo.negatives.life import NEVER, Life
from models.filters import mask
from models.spec import Spec
from models.spec.negatives import Alive, SampleNegatives

_DAY = 86_400_000_000
_EXACT = 2**53
"""Whole numbers below it are exact as floating-point numbers, which a column with nulls has."""


@dataclass(frozen=True)
class Log:
    """The rows of the impressions, (rows,) each, and what was alive."""

    positive: np.ndarray
    """bool: rows on which the primary task is defined; all of them are positives."""
    time: np.ndarray
    day: np.ndarray
    """Of the product, int64."""
    member: np.ndarray
    """Index of the member."""
    item: np.ndarray
    """Index in ``items``."""
    items: pd.Index
    """The keys, ascending."""
    life: Life
    chosen: Chosen


def read_log(spec: Spec, sampling: SampleNegatives, tables: Mapping[str, pd.DataFrame]) -> Log:
    """Read the log. Raises NegativesError for rows that are no positives, and for times of ``alive`` that are none."""
    shown, task = spec.impressions, spec.tasks[spec.primary_task]
    frame = tables[shown.table]
    positive = mask(frame, task.filter)
    _check_positives(spec, frame[task.label].to_numpy()[positive])
    spans = None if sampling.alive is None else _spans(spec, sampling.alive, tables[sampling.alive.table])
    keys = _keys(spec, shown.table, shown.item.column, frame[shown.item.column])
    items = pd.Index(keys if spans is None else pd.concat([keys, spans.index.to_series()])).unique().sort_values()
    time, item = _microseconds(frame[shown.time]), items.get_indexer(keys)
    member = pd.factorize(frame[shown.member.column])[0].astype(np.int64)
    own = np.flatnonzero(positive)
    starts, ends = _life_spans(items, spans, time[own], item[own])
    life = _life(spec, sampling, starts, ends, time[own], item[own])
    chosen = Chosen(member[own], item[own], time[own], len(items))
    return Log(positive, time, days(spec, time), member, item, items, life, chosen)


def days(spec: Spec, time: np.ndarray) -> np.ndarray:
    """(n,) int64: the product's day of each moment, counted from 1970."""
    local = pd.DatetimeIndex(pd.to_datetime(time, unit="us", utc=True)).tz_convert(spec.timezone).tz_localize(None)
    return local.to_numpy("datetime64[us]").astype(np.int64) // _DAY


def _life(
    spec: Spec, sampling: SampleNegatives, starts: np.ndarray, ends: np.ndarray, time: np.ndarray, item: np.ndarray
) -> Life:
    """The entries that a draw proposes: the starts, and unless all items are alike the positives after them."""
    begun = np.flatnonzero(starts < NEVER)
    entries = pd.DataFrame({"time": starts[begun], "item": begun})
    if sampling.by != "uniform":
        later = time > starts[item] if sampling.alive else np.ones(len(time), bool)
        chosen = pd.DataFrame({"time": time[later], "item": item[later]})
        # Without a table of lives an item starts with its first positive, which counts once.
        entries = pd.concat([entries, chosen]) if sampling.alive else chosen
    entries["day"] = days(spec, entries["time"].to_numpy())
    if sampling.by == "recent":
        entries = entries.sort_values("time", kind="stable").drop_duplicates(["item", "day"])
    time, item, day = (entries[name].to_numpy(np.int64) for name in ("time", "item", "day"))
    return Life(time, item, day, ends)


def _life_spans(
    items: pd.Index, spans: pd.DataFrame | None, time: np.ndarray, item: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Start and end of each item, (items,) int64 each; an item that never starts has ``NEVER``."""
    starts, ends = np.full(len(items), NEVER), np.full(len(items), NEVER)
    if spans is None:
        np.minimum.at(starts, item, time)
        return starts, ends
    place = items.get_indexer(spans.index)
    starts[place], ends[place] = spans["start"].to_numpy(np.int64), spans["end"].to_numpy(np.int64)
    return starts, ends


def _spans(spec: Spec, alive: Alive, frame: pd.DataFrame) -> pd.DataFrame:
    """``start`` and ``end`` by item key, int64: the earliest start and the latest end of its rows."""
    key = alive.key or spec.nodes[spec.impressions.item.node].key
    frame = frame[frame[key].notna() & frame[alive.start].notna()]
    start = _times(alive.table, alive.start, frame)
    end = np.full(len(frame), NEVER)
    if alive.end is not None:
        given = frame[alive.end].notna().to_numpy()
        end[given] = _times(alive.table, alive.end, frame[given])
    keys = _keys(spec, alive.table, key, frame[key])
    found = pd.DataFrame({"key": keys.to_numpy(), "start": start, "end": end})
    return found.groupby("key").agg({"start": "min", "end": "max"})


def _keys(spec: Spec, table: str, column: str, keys: pd.Series) -> pd.Series:
    """Item keys without nulls as int64 or objects of text, whatever type the table has. Raises NegativesError."""
    if spec.nodes[spec.impressions.item.node].key_type == "string":
        found = keys.astype(object)
        wrong = 0 if pd.api.types.infer_dtype(found) in ("string", "empty") else len(found)
    elif pd.api.types.is_integer_dtype(keys.dtype):
        return keys.astype("int64")
    else:
        found = pd.to_numeric(keys.astype(object), errors="coerce").astype(float)
        wrong = int((~(found % 1 == 0) | (found.abs() >= _EXACT) | keys.map(lambda key: isinstance(key, str))).sum())
        found = found if wrong else found.astype("int64")
    if wrong:
        first = keys.iloc[0].item() if isinstance(keys.iloc[0], np.generic) else keys.iloc[0]
        kind = spec.nodes[spec.impressions.item.node].key_type
        where = f"impressions.sample_negatives: table {table}, column {column}"
        raise NegativesError(
            f"{where}: expected the item's keys (key_type: {kind}); found others, such as {first!r}. Bring the "
            "keys of both tables into one type"
        )
    return found


def _times(table: str, column: str, frame: pd.DataFrame) -> np.ndarray:
    if len(frame) and not isinstance(frame[column].dtype, pd.DatetimeTZDtype):
        raise NegativesError(
            f"impressions.sample_negatives.alive: table {table}, column {column}: expected times with a zone "
            f"(datetime64[us, UTC]); found {frame[column].dtype}. Read the column as a time in the source"
        )
    return _microseconds(frame[column]) if len(frame) else np.zeros(0, np.int64)


def _microseconds(column: pd.Series) -> np.ndarray:
    return column.dt.tz_convert("UTC").dt.as_unit("us").astype("int64").to_numpy()


def _check_positives(spec: Spec, labels: np.ndarray) -> None:
    if negative := int((labels != 1).sum()):
        table, label = spec.impressions.table, spec.tasks[spec.primary_task].label
        raise NegativesError(
            f"impressions.sample_negatives: expected positives only (table {table}, column {label} = 1 in every row); "
            f"found {negative:,} of {len(labels):,} rows with 0. Remove sample_negatives: the log has its own negatives"
        )
