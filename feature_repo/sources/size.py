"""Counts of the canonical tables, and what they decide of the keys that a spec leaves to the data."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from models.configs.defaults import DataSize, Decision, decide, id_buckets
from models.filters import mask
from models.spec import Spec
from models.spec.by_data import bucket_key
from models.spec.decisions import open_keys
from models.spec.schema import Column

DECIDED = "decided"
"""Entry of a manifest of tables: by key {value, reason}."""
_MOST = 0.8


def decisions(spec: Spec, tables: Mapping[str, pd.DataFrame]) -> dict[str, Decision]:
    """Decide the keys that the spec, whose windows have dates, leaves open."""
    left = open_keys(spec)
    found = decide(data_size(spec, tables), left, spec.model, spec.training)
    for _, column in spec.node_columns():
        if (key := bucket_key(column.node)) in left:
            found[key] = id_buckets(*_seen_keys(spec, tables, column))
    return found


def data_size(spec: Spec, tables: Mapping[str, pd.DataFrame]) -> DataSize:
    """The counts of the spec's tables."""
    train = _inside(spec, tables, "train")
    counts = _engagements(spec, tables)
    return DataSize(
        rows=len(train),
        members=int(train[spec.impressions.member.column].nunique()),
        activities=float(np.quantile(counts, _MOST, method="inverted_cdf")) if len(counts) else 0.0,
        new_items=_new_keys(spec, tables, spec.impressions.item),
        new_members=_new_keys(spec, tables, spec.impressions.member),
    )


def as_json(found: Mapping[str, Decision]) -> dict[str, dict[str, Any]]:
    """For the manifest."""
    return {key: decision._asdict() for key, decision in found.items()}


def from_json(document: Mapping[str, Mapping[str, Any]]) -> dict[str, Decision]:
    """Back from the manifest."""
    return {key: Decision(**entry) for key, entry in document.items()}


def _engagements(spec: Spec, tables: Mapping[str, pd.DataFrame]) -> np.ndarray:
    """(members,) the engagements of every member that has any, before the train window ends."""
    end, parts = pd.Timestamp(spec.span("train").end, unit="us", tz="UTC"), []
    for edge in spec.active_edges().values():
        if edge.kind == "engagement" and edge.source.node == spec.impressions.member.node:
            rows = tables[edge.table]
            kept = mask(rows, edge.filter) & (rows[edge.time] < end).to_numpy()
            parts.append(rows.loc[kept, edge.source.column].value_counts())
    return pd.concat(parts).groupby(level=0).sum().to_numpy() if parts else np.zeros(0)


def _seen_keys(spec: Spec, tables: Mapping[str, pd.DataFrame], column: Column) -> tuple[int, float]:
    """The number of keys with a train row, and how many of those rows the median validate row's key has."""
    seen = _inside(spec, tables, "train")[column.column].value_counts()
    asked = _inside(spec, tables, "validate")[column.column]
    rows = asked.map(seen).fillna(0)
    return len(seen), float(rows.median()) if len(rows) else 0.0


def _new_keys(spec: Spec, tables: Mapping[str, pd.DataFrame], column: Column) -> float:
    """The share of the validate rows whose item or member has no train row."""
    train, validate = (_inside(spec, tables, window)[column.column] for window in ("train", "validate"))
    return float((~validate.isin(train)).mean()) if len(validate) else 0.0


def _inside(spec: Spec, tables: Mapping[str, pd.DataFrame], window: str) -> pd.DataFrame:
    """The rows of a window to train or judge on."""
    shown, span = tables[spec.impressions.seeds], spec.span(window)
    start, end = (pd.Timestamp(time, unit="us", tz="UTC") for time in span)
    times = shown[spec.impressions.time]
    return shown[(times >= start) & (times < end)]
