"""Builds the profile of a version: from its training set, evaluation and graph."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from models.profile import FEWEST_ROWS, ColumnShift, profile_of, profile_rows
from models.spec import Spec
from monitoring.documents import read_json
from monitoring.profiles.rows import Rows, trained_rows
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
    rows = trained_rows(spec, training_set, evaluation)
    return _profile(spec, rows, _graph(graph, rows.labels))


def _profile(spec: Spec, rows: Rows, graph: Mapping[str, Any]) -> VersionProfile:
    profile = VersionProfile(profile_rows(rows.columns, compared_features(spec)), growing_columns(spec))
    labels = {task: _rates(rows.labels, f"label_{task}") for task in spec.tasks}
    predictions = {task: _rates(rows.predictions, f"probability_{task}") for task in spec.tasks}
    ratios = {task: _ratios(rows.predictions, task) for task in spec.tasks}
    days = [rows.columns.take(places) for places in list(_days(rows.labels))[-_MOST_DAYS:]]
    limits = {
        "days": len(days),
        "columns": _largest([profile.compare(profile.profile(day)) for day in days]),
        "labels": {task: {surface: days for surface, (_, days) in found.items()} for task, found in labels.items()},
        "predictions": {
            task: {surface: days for surface, (_, days) in found.items()} for task, found in predictions.items()
        },
        "calibration": {task: days for task, (ratio, days) in ratios.items() if ratio is not None},
    }
    return VersionProfile(
        columns=profile.columns,
        growing=profile.growing,
        predictions={task: _by_surface(rows.predictions, f"probability_{task}") for task in spec.tasks},
        labels={task: {surface: mean for surface, (mean, _) in found.items()} for task, found in labels.items()},
        delay={task: _delay(spec, task, rows.labels) for task in spec.tasks},
        graph=graph,
        calibration={task: ratio for task, (ratio, _) in ratios.items() if ratio is not None},
        limits=limits,
    )


def _largest(days: Sequence[Mapping[str, ColumnShift]]) -> dict[str, dict[str, float]]:
    """By column the largest of each share and distance over the days."""
    names = days[0] if days else ()
    return {name: {share: max(getattr(day[name], share) or 0.0 for day in days) for share in _SHARES} for name in names}


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
    rows = frame[frame[f"label_{task}"].notna() & frame[f"probability_{task}"].notna()]
    rows = rows.sort_values([f"probability_{task}", f"label_{task}"])
    sums = [
        rows[[f"probability_{task}", f"label_{task}"]].to_numpy(dtype=float)[places].sum(0) for places in _days(rows)
    ]
    days = [float(predicted / positive) for predicted, positive in sums if positive > 0]
    positive = float(rows[f"label_{task}"].sum())
    ratio = float(rows[f"probability_{task}"].sum()) / positive if positive else None
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
    after = labels.loc[labels[f"label_{task}"] == 1, f"after_{task}"].dropna().to_numpy(dtype=float)
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
