"""Builds the profile of a version from its training set, its evaluation and its graph."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from models.filters import mask, settled
from models.profile import FEWEST_ROWS, profile_of, profile_rows
from models.spec import Spec
from monitoring.documents import read_json
from monitoring.profiles.version import ALL, VersionProfile, compared_features, growing_columns

_DELAYS = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1.0)
"""Shares of the attribution time at which the curve of delays is known."""
_MOST_DAYS = 28
"""The newest days of the train window that limits are learned from."""
_SHARES = ("psi", "js", "wasserstein", "distance", "null_now", "infinite_now", "new_share")


def build_profile(
    spec: Spec, training_set: Path, evaluation: Path | None = None, graph: Path | None = None
) -> VersionProfile:
    """Profile the train window, and the candidate's predictions.

    ``evaluation``: the folder of ``monitoring.evaluation.evaluate``; ``graph``: a stored graph, of which the manifest
    is read. None = that part stays empty.
    """
    rows, labels = _train_rows(spec, training_set)
    profile = VersionProfile(profile_rows(rows, compared_features(spec)), growing_columns(spec))
    predictions = _no_predictions(spec) if evaluation is None else _predictions(spec, evaluation)
    means = {
        "labels": {task: _rates(labels, f"label_{task}") for task in spec.tasks},
        "predictions": {task: _rates(predictions, f"candidate_{task}") for task in spec.tasks},
    }
    days = [rows.take(places) for places in list(_days(labels))[-_MOST_DAYS:]]
    shifts = [profile.compare(profile.profile(day)) for day in days]
    seen = (
        {
            name: {share: max(getattr(day[name], share) or 0.0 for day in shifts) for share in _SHARES}
            for name in profile.columns.columns
        }
        if shifts
        else {}
    )
    ratios = {task: _ratios(predictions, task) for task in spec.tasks}
    return VersionProfile(
        columns=profile.columns,
        growing=profile.growing,
        predictions={task: _by_surface(predictions, f"candidate_{task}") for task in spec.tasks},
        labels={
            task: {surface: mean for surface, (mean, _) in found.items()} for task, found in means["labels"].items()
        },
        delay={task: _delay(spec, task, labels) for task in spec.tasks},
        graph=_graph(graph, labels),
        calibration={task: ratio for task, (ratio, _) in ratios.items() if ratio is not None},
        limits={
            "days": len(days),
            "columns": seen,
            **{
                part: {
                    task: {surface: spread for surface, (_, spread) in found.items()} for task, found in tasks.items()
                }
                for part, tasks in means.items()
            },
            "calibration": {task: spread for task, (ratio, spread) in ratios.items() if ratio is not None},
        },
    )


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
            "day": time.dt.tz_convert(spec.timezone).dt.floor("D", ambiguous=True, nonexistent="shift_forward"),
            "member": frame[shown.member.column],
            "item": frame[shown.item.column],
            "after": (pd.to_datetime(frame[shown.settled], utc=True) - time).dt.total_seconds()
            if shown.settled in frame
            else np.nan,
        }
    )
    for name, task in spec.tasks.items():
        usable = mask(frame, task.filter) & known
        labels[f"label_{name}"] = frame[task.label].astype(float).where(usable)
    columns = [shown.surface if feature.name == "surface" else feature.name for feature in compared_features(spec)]
    return table.select(columns).rename_columns([feature.name for feature in compared_features(spec)]), labels


def _no_predictions(spec: Spec) -> pd.DataFrame:
    names = [f"{part}_{task}" for part in ("label", "candidate") for task in spec.tasks]
    return pd.DataFrame({"surface": pd.Series(dtype=object), "day": pd.Series(dtype="datetime64[us, UTC]")}).assign(
        **{name: pd.Series(dtype=float) for name in names}
    )


def _predictions(spec: Spec, evaluation: Path) -> pd.DataFrame:
    names = [f"{part}_{task}" for part in ("label", "candidate") for task in spec.tasks]
    path = evaluation / "predictions.parquet"
    frame = pq.read_table(path, columns=["time", "surface", *names], filters=[("state", "==", "as_of")]).to_pandas()
    day = pd.to_datetime(frame["time"], utc=True).dt.tz_convert(spec.timezone)
    return frame.assign(day=day.dt.floor("D", ambiguous=True, nonexistent="shift_forward"))


def _days(frame: pd.DataFrame) -> Iterator[np.ndarray]:
    """The rows of each day with at least 50 of them, oldest first."""
    for _, places in sorted(frame.groupby("day").indices.items()):
        if len(places) >= FEWEST_ROWS:
            yield np.asarray(places)


def _surfaces(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {ALL: frame, **{str(surface): rows for surface, rows in sorted(frame.groupby("surface"))}}


def _rates(frame: pd.DataFrame, column: str) -> dict[str, tuple[float, list[float]]]:
    """By surface with any value: the mean, and the least and largest mean of its days."""
    found = {}
    for surface, rows in _surfaces(frame[frame[column].notna()]).items():
        if len(rows):
            values = rows[column].to_numpy(dtype=float)
            means = [_mean(values[places]) for places in _days(rows)]
            found[surface] = (_mean(values), [min(means), max(means)] if means else [])
    return found


def _mean(values: np.ndarray) -> float:
    """The mean, the same in any order of the rows."""
    return float(np.sort(values).mean())


def _ratios(frame: pd.DataFrame, task: str) -> tuple[float | None, list[float]]:
    """Mean prediction by rate of the label (None without a positive label), and its least and largest of a day."""
    rows = frame[frame[f"label_{task}"].notna() & frame[f"candidate_{task}"].notna()]
    rows = rows.sort_values([f"candidate_{task}", f"label_{task}"])
    sums = [rows[[f"candidate_{task}", f"label_{task}"]].to_numpy(dtype=float)[places].sum(0) for places in _days(rows)]
    days = [float(predicted / positive) for predicted, positive in sums if positive > 0]
    positive = float(rows[f"label_{task}"].sum())
    ratio = float(rows[f"candidate_{task}"].sum()) / positive if positive else None
    return ratio, [min(days), max(days)] if days else []


def _by_surface(frame: pd.DataFrame, column: str) -> dict[str, Any]:
    found = {}
    for surface, rows in _surfaces(frame[frame[column].notna()]).items():
        values = np.sort(rows[column].to_numpy(dtype=float))
        if len(values):
            moments = {"mean": float(values.mean()), "deviation": float(values.std())}
            found[surface] = {"rows": len(values), **moments, "profile": profile_of(pa.array(values))}
    return found


def _delay(spec: Spec, task: str, labels: pd.DataFrame) -> list[list[float]]:
    """Shares of the positive labels that were known after parts of the attribution time; [] where none is given."""
    length = spec.tasks[task].attribution_time / 1e6
    after = labels.loc[labels[f"label_{task}"] == 1, "after"].dropna().to_numpy(dtype=float)
    if not length or not len(after):
        return []
    return [[part, float((after <= part * length).mean())] for part in _DELAYS]


def _graph(folder: Path | None, labels: pd.DataFrame) -> dict[str, Any]:
    cold = {role: _cold(labels, role) for role in ("member", "item")}
    found: dict[str, Any] = {"cold": {role: share for role, share in cold.items() if share is not None}}
    if folder is None:
        return found
    manifest = read_json(folder / "manifest.json")
    nodes: Mapping[str, int] = manifest["counts"]["nodes"]
    kinds = [edge for edge in manifest["schema"]["edges"] if not edge["name"].startswith("rev_")]
    counts = {edge["name"]: manifest["counts"]["edges"][edge["name"]] for edge in kinds}
    total = max(sum(counts.values()), 1)
    domains = dict.fromkeys(sorted({edge["domain"] for edge in kinds}), 0.0)
    for edge in kinds:
        domains[edge["domain"]] += counts[edge["name"]] / total
    degree = {edge["name"]: counts[edge["name"]] / max(nodes[edge["source"]], 1) for edge in kinds}
    return {**found, "nodes": dict(nodes), "degree": degree, "domains": domains}


def _cold(labels: pd.DataFrame, role: str) -> float | None:
    """The share of impressions, after the first day, whose member or item no earlier day has."""
    if labels["day"].nunique() < 2:
        return None
    first = labels.groupby(role)["day"].transform("min")
    later = labels["day"] > labels["day"].min()
    return float((first == labels["day"])[later].mean())
