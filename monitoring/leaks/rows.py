"""The rows and columns that the screen reads of a training set: a bounded part, contiguous in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from models.columns import IMPRESSIONS, WINDOW
from models.features import impression_features, item_features, member_features
from models.filters import mask, settled
from models.spec import Feature, Spec
from monitoring.leaks.popularity import popularity

TRAIN_ROWS, VALIDATE_ROWS, MOST_COLUMNS = 100_000, 50_000, 300
_MOST_TEXTS = 1000
"""Texts with a code of their own, the commonest; all others share one."""


@dataclass(frozen=True)
class Rows:
    """Rows of train, then of validate, in the order of time; (rows,) each."""

    values: dict[str, np.ndarray]
    """By column: float64, NaN = missing, or int64 codes of categories, -1 = missing."""
    categories: frozenset[str]
    """The columns of codes."""
    labels: dict[str, np.ndarray]
    """By task: float64 0 or 1; NaN where the task is undefined or had not settled in time."""
    train: np.ndarray
    """bool: rows of train; the others are of validate."""
    keys: dict[str, np.ndarray]
    """``member`` and ``item``: int64 codes."""
    previous: dict[str, np.ndarray]
    """``member`` and ``item``: int64, the row of the same key with the last earlier time, -1 = none."""
    left_out: int
    """Number of columns beyond ``MOST_COLUMNS``."""
    surfaces: dict[str, np.ndarray]
    """By surface: its rows, (rows,) bool."""
    popularity: dict[str, np.ndarray]
    """Float64: that of ``monitoring.leaks.popularity``, where negatives are sampled; else none."""
    trusted: frozenset[str]
    """Columns that are only read beside others: with sampled negatives, those that we derive from what was before."""


def read_rows(spec: Spec, training_set: Path) -> Rows:
    """The train rows next to the validate window, and the first validate rows.

    Contiguous in time, so that a row's predecessor of the same member or item is there too. What an adapter gives comes
    first where there are too many columns: context, then member and item; then what we derive. Vectors are left out.
    """
    path, shown = training_set / f"{IMPRESSIONS}.parquet", spec.impressions
    present = set(pq.read_schema(path).names)
    own = [*shown.typed_given, *member_features(spec), *item_features(spec), *impression_features(spec)]
    features = {f.name: f for f in own if f.name in present and f.kind in ("number", "category", "text")}
    chosen = list(features.values())[:MOST_COLUMNS]
    filtered = [column for task in spec.tasks.values() for column in task.filter]
    needed = [
        shown.member.column,
        shown.item.column,
        shown.surface,
        shown.time,
        shown.settled,
        WINDOW,
        *shown.outcomes,
        *filtered,
    ]
    facts = pq.read_table(path, columns=[name for name in dict.fromkeys(needed) if name in present]).to_pandas()
    time = pd.to_datetime(facts[shown.time], utc=True).to_numpy(dtype="datetime64[us]").astype(np.int64)
    places = _places(facts[WINDOW].to_numpy(), time)
    labels = _labels(spec, facts)
    roles = {"member": shown.member.column, "item": shown.item.column}
    keys = {role: pd.factorize(facts[column].iloc[places])[0] for role, column in roles.items()}
    return Rows(
        values={feature.name: _column(path, feature, places) for feature in chosen},
        categories=frozenset(feature.name for feature in chosen if feature.kind != "number"),
        labels={task: found[places] for task, found in labels.items()},
        train=(facts[WINDOW].to_numpy() == "train")[places],
        keys=keys,
        previous={role: _previous(key, time[places]) for role, key in keys.items()},
        left_out=len(features) - len(chosen),
        surfaces={name: (facts[shown.surface] == name).to_numpy()[places] for name in shown.surfaces},
        popularity={name: found[places] for name, found in _popularity(spec, facts, time).items()},
        trusted=_trusted(spec),
    )


def _popularity(spec: Spec, facts: pd.DataFrame, time: np.ndarray) -> dict[str, np.ndarray]:
    if spec.impressions.sample_negatives is None:
        return {}
    positive = facts[spec.tasks[spec.primary_task].label].to_numpy(dtype=np.float64, na_value=np.nan) == 1
    return popularity(pd.factorize(facts[spec.impressions.item.column])[0], time, positive)


def _trusted(spec: Spec) -> frozenset[str]:
    if spec.impressions.sample_negatives is None:
        return frozenset()
    given = {feature.name for feature in spec.impressions.typed_given}
    return frozenset(feature.name for feature in impression_features(spec) if feature.name not in given)


def _places(window: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Row numbers (rows,): the last of train, then the first of validate, in the order of time."""
    found = []
    for name, part in (("train", slice(-TRAIN_ROWS, None)), ("validate", slice(0, VALIDATE_ROWS))):
        own = np.flatnonzero(window == name)
        found.append(own[np.argsort(time[own], kind="stable")][part])
    return np.concatenate(found)


def _labels(spec: Spec, facts: pd.DataFrame) -> dict[str, np.ndarray]:
    known, found = settled(spec, facts), {}
    for name, task in spec.tasks.items():
        labels = facts[task.label].to_numpy(dtype=np.float64, na_value=np.nan).copy()
        labels[~mask(facts, task.filter) | ~known] = np.nan
        found[name] = labels
    return found


def _column(path: Path, feature: Feature, places: np.ndarray) -> np.ndarray:
    column = pq.read_table(path, columns=[feature.name])[feature.name].take(pa.array(places))
    if feature.kind == "category":
        return pd.factorize(column.to_pandas())[0]
    if feature.kind == "text":
        return _texts(column.to_pandas())
    numbers = column.cast(pa.float64()).to_pandas().to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), numbers, np.nan)


def _texts(column: pd.Series) -> np.ndarray:
    """Codes (rows,) int64: a common text has its own, all rare ones share one, a blank one is missing."""
    codes, texts = pd.factorize(column.where(column.fillna("").str.strip() != ""))
    common = np.argsort(-np.bincount(codes[codes >= 0], minlength=len(texts)), kind="stable")[:_MOST_TEXTS]
    new = np.append(np.full(len(texts), len(common)), -1)  # the last one is for missing ones, which have code -1
    new[common] = np.arange(len(common))
    return new[codes]


def changes(rows: Rows, column: str, role: str) -> np.ndarray:
    """How much a number changed since the last row of the same member or item with an EARLIER time.

    (rows,) float64, NaN for the first one. What counts this row's own outcome changes with it.
    """
    values, before = rows.values[column], rows.previous[role]
    return np.where(before >= 0, values - values[before], np.nan)


def _previous(key: np.ndarray, time: np.ndarray) -> np.ndarray:
    """The row (rows,) int64 of the same key with the last earlier time, -1 = none."""
    order = np.lexsort((time, key))
    key, time, place = key[order], time[order], np.arange(len(order))
    other_key = np.append(True, key[1:] != key[:-1])[: len(order)]
    other_time = other_key | np.append(True, time[1:] != time[:-1])[: len(order)]
    start = np.maximum.accumulate(np.where(other_time, place, 0))
    found = np.empty(len(order), np.int64)
    found[order] = np.where(other_key[start], -1, order[start - 1])
    return found


def matrix(rows: Rows, names: Sequence[str], part: np.ndarray) -> np.ndarray:
    """(n, columns) float64 of the n rows of ``part`` (rows,) bool, with missing codes as NaN."""
    columns = [
        np.where(rows.values[name] < 0, np.nan, rows.values[name]) if name in rows.categories else rows.values[name]
        for name in names
    ]
    return np.column_stack([column[part] for column in columns]) if names else np.zeros((int(part.sum()), 0))
