"""Seeds from the training set: one per impression of the windows train, validate, gate and test."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import torch
from torch import Tensor

from models.columns import FROZEN, IMPRESSIONS, TWINS
from models.features import FROZEN_TIME, impression_features
from models.graph.columns import describe, encode
from models.graph.errors import GraphInputError
from models.graph.inputs import twin_sides
from models.graph.relations import Relations
from models.graph.schema import FeatureColumn, WindowSpan
from models.graph.tensors import Seeds
from models.spec import Spec
from models.spec.schema import WINDOW_ORDER

_COLD = "cold"
"""Column of a seed's place among its twins: 0 = the row itself, else the side that is read as new."""
_CODES = {"item": 1, "member": 2}


def window_spans(spec: Spec) -> tuple[WindowSpan, ...]:
    """All windows of the spec with their bounds, microseconds UTC."""
    return tuple(WindowSpan(name, *spec.span(name)) for name in WINDOW_ORDER)


def build_seeds(spec: Spec, relations: Relations) -> tuple[Seeds, tuple[FeatureColumn, ...]]:
    """The seeds, sorted by (time, key, cold), and the schema of their features. Raises GraphInputError.

    A label is NaN if the task's filter excludes the row, or if the outcome itself is null.
    """
    features = impression_features(spec)
    names = [feature.name for feature in features]
    shown, frozen = _both(relations, names, IMPRESSIONS, FROZEN)
    sides = twin_sides(relations.training_set)
    if sides:
        shown, frozen = _with_twins(shown, frozen, {side: _both(relations, names, *TWINS[side]) for side in sides})
    cold = torch.from_numpy(np.array(shown[_COLD].to_numpy()))
    described = describe(features, [_columns(shown, names), _columns(frozen, names)])
    now = encode(features, described, _columns(shown, names), len(shown))
    held = encode(features, described, _columns(frozen, names), len(frozen))

    time = _integers(shown, "time")
    frozen_time = _integers(frozen, FROZEN_TIME)
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
        frozen_numbers=held.numbers,
        frozen_categories=held.categories,
        cold=cold > 0,
        keys=shown["key"].combine_chunks(),
        windows=WINDOW_ORDER,
        cold_member=cold == _CODES["member"] if "member" in sides else None,
    ), described


def _both(relations: Relations, names: list[str], table: str, frozen_table: str) -> tuple[pa.Table, pa.Table]:
    """The rows of a table of the training set, with the column ``_COLD``, and their frozen rows in the same order."""
    shown, frozen = relations.seeds(names, table), relations.frozen_seeds(names, frozen_table)
    keys = shown["key"].combine_chunks()
    if len(keys) != len(keys.unique()):
        raise GraphInputError(f"{table}.parquet: expected each key once; found duplicates. Retrieve features again")
    place = compute.index_in(keys, value_set=frozen["key"].combine_chunks())
    if place.null_count:
        raise GraphInputError(
            f"{frozen_table}.parquet: expected every row of {table}.parquet; found {place.null_count} missing. "
            "Retrieve features again"
        )
    code = next((_CODES[side] for side, (twins, _) in TWINS.items() if twins == table), 0)
    return shown.append_column(_COLD, pa.array(np.full(len(shown), code, np.int8))), frozen.take(place)


def _with_twins(
    shown: pa.Table, frozen: pa.Table, twins: Mapping[str, tuple[pa.Table, pa.Table]]
) -> tuple[pa.Table, pa.Table]:
    """The rows and their twins of either side, sorted by (time, key, ``_COLD``), and their frozen rows."""
    keys = shown["key"].combine_chunks()
    for side, (copies, _) in twins.items():
        if alone := compute.index_in(copies["key"], value_set=keys).null_count:
            raise GraphInputError(
                f"{TWINS[side][0]}.parquet: expected twins of rows in {IMPRESSIONS}.parquet; found {alone} others. "
                "Retrieve features again"
            )
    rows = pa.concat_tables([shown, *(copies for copies, _ in twins.values())])
    order = compute.sort_indices(rows, sort_keys=[(name, "ascending") for name in ("time", "key", _COLD)])
    return rows.take(order), pa.concat_tables([frozen, *(held for _, held in twins.values())]).take(order)


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
