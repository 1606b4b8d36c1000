"""Rows that a profile is built from: those of a training set and its evaluation, or those that were served."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from models.filters import mask, settled
from models.spec import Spec
from models.spec.negative_references import negative_tasks
from monitoring.profiles.version import compared_features


class Rows(NamedTuple):
    """What was shown, with labels, and what was predicted; each in rows of its own."""

    columns: pa.Table
    """(rows,) the compared columns, named as in served rows."""
    labels: pd.DataFrame
    """(rows,) ``surface``, ``day`` (of the product), ``member``, ``item``, and per task ``label_<task>`` (NaN where
    there is none) and ``after_<task>``, seconds until the outcome."""
    predictions: pd.DataFrame
    """(predicted rows,) ``surface``, ``day``, and per task ``label_<task>`` and ``probability_<task>``."""


def trained_rows(spec: Spec, training_set: Path, evaluation: Path | None) -> Rows:
    """The train window of a training set, and the candidate's predictions of an evaluation (None = no predictions).

    Where negatives are sampled, the columns are those of all rows that were trained on; the share of positives and the
    predictions among them say nothing about what is served, so such a task has neither labels nor predictions.
    """
    columns, labels = _train_rows(spec, training_set)
    predictions = _no_predictions(spec) if evaluation is None else _predictions(spec, evaluation)
    for task in negative_tasks(spec):
        labels[f"label_{task}"] = predictions[f"label_{task}"] = predictions[f"probability_{task}"] = np.nan
    return Rows(columns, labels, predictions)


def _train_rows(spec: Spec, training_set: Path) -> tuple[pa.Table, pd.DataFrame]:
    """Compared columns of the train window (rows,), and a frame of its labels (rows,), NaN where there is none yet."""
    path, shown = training_set / "impressions.parquet", spec.impressions
    here = pq.read_schema(path).names
    compared = {shown.surface if feature.name == "surface" else feature.name for feature in compared_features(spec)}
    filters = {column for task in spec.tasks.values() for column in task.filter}
    names = {
        shown.time,
        shown.member.column,
        shown.item.column,
        "window",
        *(task.label for task in spec.tasks.values()),
    }
    names |= {shown.settled} & set(here)
    table = pq.read_table(path, columns=sorted(compared | names | filters), filters=[("window", "==", "train")])
    frame = table.select(sorted(names | filters | {shown.surface})).to_pandas()
    known = settled(spec, frame)
    time = pd.to_datetime(frame[shown.time], utc=True)
    labels = pd.DataFrame(
        {
            "surface": frame[shown.surface].astype(str),
            "day": day_of(spec, time),
            "member": frame[shown.member.column],
            "item": frame[shown.item.column],
        }
    )
    after = (
        (pd.to_datetime(frame[shown.settled], utc=True) - time).dt.total_seconds() if shown.settled in frame else np.nan
    )
    for name, task in spec.tasks.items():
        labels[f"after_{name}"] = after
        usable = mask(frame, task.filter) & known
        labels[f"label_{name}"] = frame[task.label].astype(float).where(usable)
    columns = [shown.surface if feature.name == "surface" else feature.name for feature in compared_features(spec)]
    return table.select(columns).rename_columns([feature.name for feature in compared_features(spec)]), labels


def _no_predictions(spec: Spec) -> pd.DataFrame:
    names = [f"{part}_{task}" for part in ("label", "probability") for task in spec.tasks]
    return pd.DataFrame({"surface": pd.Series(dtype=object), "day": pd.Series(dtype="datetime64[us, UTC]")}).assign(
        **{name: pd.Series(dtype=float) for name in names}
    )


def _predictions(spec: Spec, evaluation: Path) -> pd.DataFrame:
    names = [f"{part}_{task}" for part in ("label", "candidate") for task in spec.tasks]
    path = evaluation / "predictions.parquet"
    frame = pq.read_table(path, columns=["time", "surface", *names], filters=[("state", "==", "as_of")]).to_pandas()
    frame = frame.rename(columns={f"candidate_{task}": f"probability_{task}" for task in spec.tasks})
    return frame.assign(day=day_of(spec, pd.to_datetime(frame["time"], utc=True)))


def day_of(spec: Spec, time: pd.Series) -> pd.Series:
    """The product's day of each moment."""
    return time.dt.tz_convert(spec.timezone).dt.floor("D", ambiguous=True, nonexistent="shift_forward")
