"""Seeds from the training set: one per impression of the windows train, validate, gate and test."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import torch
from torch import Tensor

from models.features import FROZEN_TIME, impression_features
from models.graph.columns import describe, encode
from models.graph.errors import GraphInputError
from models.graph.relations import Relations
from models.graph.schema import FeatureColumn, WindowSpan
from models.graph.tensors import Seeds
from models.spec import Spec
from models.spec.schema import WINDOW_ORDER


def window_spans(spec: Spec) -> tuple[WindowSpan, ...]:
    """All windows of the spec with their bounds, microseconds UTC."""
    return tuple(WindowSpan(name, *spec.span(name)) for name in WINDOW_ORDER)


def build_seeds(spec: Spec, relations: Relations) -> tuple[Seeds, tuple[FeatureColumn, ...]]:
    """The seeds, sorted by (time, key), and the schema of their features. Raises GraphInputError.

    A label is NaN if the task's filter excludes the row, or if the outcome itself is null.
    """
    features = impression_features(spec)
    names = [feature.name for feature in features]
    shown, frozen = relations.seeds(names), relations.frozen_seeds(names)
    described = describe(features, [_columns(shown, names), _columns(frozen, names)])
    now = encode(features, described, _columns(shown, names), len(shown))
    held = encode(features, described, _columns(frozen, names), len(frozen))

    keys = shown["key"].combine_chunks()
    if len(keys) != len(keys.unique()):
        raise GraphInputError("impressions.parquet: expected each key once; found duplicates. Retrieve features again")
    time = _integers(shown, "time")
    place = _frozen_rows(keys, frozen["key"])
    frozen_time = _integers(frozen, FROZEN_TIME)[place]
    if late := int((frozen_time > time).sum()):
        raise GraphInputError(
            f"frozen.parquet: expected a {FROZEN_TIME} at or before the impression's own time; found {late} rows after "
            "it. Retrieve features again"
        )
    settled = _integers(shown, "settled")
    window = _positions(shown["window"], list(WINDOW_ORDER), "window")
    _check_moments(spec, time, settled, window)
    return Seeds(
        member=torch.from_numpy(_integers(shown, "member")),
        item=torch.from_numpy(_integers(shown, "item")),
        surface=torch.from_numpy(_positions(shown["surface"], spec.impressions.surfaces, "surface")),
        time=torch.from_numpy(time),
        settled=torch.from_numpy(settled),
        window=torch.from_numpy(window),
        numbers=now.numbers,
        categories=now.categories,
        labels=_labels(spec, shown),
        frozen_time=torch.from_numpy(frozen_time),
        frozen_numbers=held.numbers[place],
        frozen_categories=held.categories[place],
        keys=keys,
        windows=WINDOW_ORDER,
    ), described


def _check_moments(spec: Spec, time: np.ndarray, settled: np.ndarray, window: np.ndarray) -> None:
    """Refuse outcomes that settled before the impression, and rows whose time is outside their window."""
    if early := int((settled < time).sum()):
        raise GraphInputError(
            f"impressions.parquet: expected {spec.impressions.settled} at or after {spec.impressions.time}; found "
            f"{early} rows before it. Ingest again"
        )
    spans = window_spans(spec)
    start, end = (np.array([getattr(span, name) for span in spans])[window] for name in ("start", "end"))
    if astray := int(((time < start) | (time >= end)).sum()):
        raise GraphInputError(
            f"impressions.parquet: expected each row in the window of its time; found {astray} rows in another one. "
            "Retrieve features again"
        )


def _columns(table: pa.Table, names: list[str]) -> dict[str, pa.ChunkedArray]:
    return {name: table[f"feature_{name}"] for name in names}


def _integers(table: pa.Table, column: str) -> np.ndarray:
    """(rows,) int64, writable."""
    values = table[column]
    if values.null_count:
        raise GraphInputError(f"impressions: expected a {column} in every row; found {values.null_count} nulls")
    return np.array(values.to_numpy(), dtype=np.int64)


def _positions(values: pa.ChunkedArray, known: list[str], what: str) -> np.ndarray:
    """The position of each value in ``known``, (rows,) int64."""
    positions = {value: place for place, value in enumerate(known)}
    unknown = sorted(map(str, set(values.unique().to_pylist()) - set(known)))
    if unknown:
        raise GraphInputError(f"impressions: expected a {what} out of {', '.join(known)}; found {', '.join(unknown)}")
    return np.array([positions[value] for value in values.to_pylist()], dtype=np.int64)


def _labels(spec: Spec, shown: pa.Table) -> Tensor:
    """(rows, tasks) float32: 0, 1 or NaN."""
    labels = np.zeros((len(shown), len(spec.tasks)), np.float32)
    for place, (name, task) in enumerate(spec.tasks.items()):
        labels[:, place] = shown[f"label_{name}"].cast(pa.float32()).to_numpy()
        found = set(np.unique(labels[:, place][~np.isnan(labels[:, place])]).tolist())
        if found - {0.0, 1.0}:
            raise GraphInputError(
                f"tasks.{name}: expected outcomes {task.label!r} of 0 or 1; found {sorted(found)[:5]}"
            )
    return torch.from_numpy(labels)


def _frozen_rows(keys: pa.Array, frozen_keys: pa.ChunkedArray) -> np.ndarray:
    """The row of each impression in ``frozen``, (rows,) int64."""
    place = compute.index_in(keys, value_set=frozen_keys.combine_chunks()).fill_null(-1).to_numpy()
    if missing := int((place < 0).sum()):
        raise GraphInputError(
            f"frozen.parquet: expected every impression; found {missing} missing. Retrieve features again"
        )
    return place.astype(np.int64)
