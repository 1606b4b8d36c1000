"""Builds the profile of a version: from its training set, evaluation and graph."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.profile import FEWEST_ROWS, ColumnProfiles, profile_rows
from models.spec import Spec
from models.time_units import DAY, SECOND
from monitoring.days.scores import delay_bins, probability_summary
from monitoring.documents import read_json
from monitoring.profiles.rows import Rows, trained_rows
from monitoring.profiles.version import ALL, VersionProfile, compared_features, growing_columns
from monitoring.refit import embeddings_of
from monitoring.statistics.calibration import Day, learn

_MOST_DAYS = 28
"""The newest days of a window that say what a day may be like."""
_FEWEST_OF_SURFACE = 200
"""Rows below which a surface has no ends of its own: they would be chance."""
_SHARES = ("null_now", "infinite_now", "new_share")
_KNOWN_AT_ONCE = 0.5
"""From this share of positive labels on that are known at the moment of the impression, the data has no delays."""


def build_profile(
    spec: Spec,
    training_set: Path,
    evaluation: Path | None = None,
    graph: Path | None = None,
    refit: Path | None = None,
) -> VersionProfile:
    """Profile the train window, and the candidate's predictions.

    ``evaluation``: the folder of ``monitoring.evaluation.evaluate``; ``graph``: a stored graph, of which the manifest
    is read; ``refit``: the document of ``monitoring.refit.RefitCheck``, where the weights that serve are a refit's.
    None = that part stays empty.
    """
    rows = trained_rows(spec, training_set, evaluation)
    profile = VersionProfile(profile_rows(rows.columns, compared_features(spec)), growing_columns(spec))
    days = [rows.columns.take(places) for places in _days(rows.labels)]
    return VersionProfile(
        columns=profile.columns,
        growing=profile.growing,
        limits=_largest(profile, [profile.profile(day) for day in days]),
        labels={task: _rates(rows.labels, f"label_{task}") for task in spec.tasks},
        delay={task: found for task in spec.tasks if (found := _delay(spec, task, rows.labels))},
        graph={"cold": _cold_shares(rows), **({} if graph is None else edges_of(graph))},
        embeddings={} if evaluation is None else embeddings_of(evaluation, refit),
        **predicted(spec.tasks, rows.predictions),
    )


def predicted(tasks: Iterable[str], rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """``predictions`` and ``calibration`` of a profile for tasks, from ``Rows.predictions``."""
    names = list(tasks)
    return {
        "predictions": {task: _probabilities(rows, f"probability_{task}") for task in names},
        "calibration": {task: _ratios(rows, task) for task in names},
    }


def _largest(profile: VersionProfile, days: Sequence[ColumnProfiles]) -> dict[str, dict[str, float]]:
    """By column the largest of each share over the days."""
    shifts = [profile.compare(day) for day in days]
    return {
        name: {
            **{share: max(getattr(day[name], share) for day in shifts) for share in _SHARES},
            "most": max(_most(day.columns[name]) for day in days),
        }
        for name in (profile.columns.columns if days else ())
    }


def _most(column: Mapping[str, Any]) -> float:
    """The share of the most frequent one among the rows with a finite value."""
    rows = column["rows"] - column["missing"] - sum(column["infinite"])
    counts = [column["most"], *(count for _, count in column["values"])]
    return float(max(counts) / rows) if rows else 1.0


def _days(frame: pd.DataFrame) -> Iterator[np.ndarray]:
    """The rows of each of the newest days with at least 50 of them, oldest first; all rows where no day has them."""
    days = [np.asarray(places) for _, places in sorted(frame.groupby("day").indices.items())]
    enough = [places for places in days if len(places) >= FEWEST_ROWS][-_MOST_DAYS:]
    if enough or not len(frame):
        yield from enough
    else:
        yield np.arange(len(frame))


def _surfaces(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {ALL: frame, **{str(surface): rows for surface, rows in sorted(frame.groupby("surface"))}}


def _enough(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """All rows, if there are any, and the surfaces with 200 of them."""
    found = _surfaces(frame)
    return {name: rows for name, rows in found.items() if len(rows) >= (1 if name == ALL else _FEWEST_OF_SURFACE)}


def _rates(frame: pd.DataFrame, column: str) -> dict[str, list[float]]:
    """By surface with enough rows that have a value: the least and the largest mean of its days."""
    found = {}
    for surface, rows in _enough(frame[frame[column].notna()]).items():
        values = rows[column].to_numpy(dtype=float)
        found[surface] = _ends([float(values[places].mean()) for places in _days(rows)])
    return found


def _probabilities(frame: pd.DataFrame, column: str) -> dict[str, dict[str, Any]]:
    """By surface with enough rows that have a value: ends of mean and spread over its days, the largest ``most``."""
    found = {}
    for surface, rows in _enough(frame[frame[column].notna()]).items():
        values = rows[column].to_numpy(dtype=float)
        days = [probability_summary(values[places]) for places in _days(rows)]
        ends = {name: _ends([day[name] for day in days if day[name] is not None]) for name in ("mean", "spread")}
        found[surface] = {**ends, "most": max(day["most"] for day in days)}
    return found


def _ends(values: Sequence[float]) -> list[float]:
    return [min(values), max(values)] if values else []


def _ratios(frame: pd.DataFrame, task: str) -> dict[str, dict[str, Any]]:
    """By surface the ``Reference`` of the log of predicted by observed, learned from its days."""
    label, probability = f"label_{task}", f"probability_{task}"
    frame = frame[frame[label].notna() & frame[probability].notna()].sort_values([probability, label])
    found = {}
    for surface, rows in _surfaces(frame).items():
        days = []
        for places in _days(rows):
            positive, given = (rows[name].to_numpy(dtype=float)[places] for name in (label, probability))
            sums = float(given.sum()), float(positive.sum()), float((given * (1 - given)).sum())
            days.append(Day(len(places), *sums, rows["day"].iloc[places[0]].weekday()))
        reference = learn(days)
        if reference.days:
            found[surface] = reference.to_json()
    return found


def _delay(spec: Spec, task: str, labels: pd.DataFrame) -> list[int]:
    """Positive labels by their delay, as on served days; [] where the data has no delays.

    An impression has one time at which all its outcomes were known.
    """
    length = (spec.tasks[task].attribution_time or DAY) / SECOND
    after = labels.loc[labels[f"label_{task}"] == 1, f"after_{task}"].dropna().to_numpy(dtype=float)
    return delay_bins(after / length) if len(after) and (after <= 0).mean() < _KNOWN_AT_ONCE else []


def edges_of(folder: Path) -> dict[str, Any]:
    """``degree`` and ``domains`` of a stored graph, from its manifest."""
    manifest = read_json(folder / "manifest.json")
    nodes: Mapping[str, int] = manifest["counts"]["nodes"]
    kinds = [edge for edge in manifest["schema"]["edges"] if not edge["name"].startswith("rev_")]
    counts = {edge["name"]: manifest["counts"]["edges"][edge["name"]] for edge in kinds}
    total = max(sum(counts.values()), 1)
    domains = dict.fromkeys(sorted({edge["domain"] for edge in kinds}), 0.0)
    for edge in kinds:
        domains[edge["domain"]] += counts[edge["name"]] / total
    return {
        "degree": {edge["name"]: counts[edge["name"]] / max(nodes[edge["source"]], 1) for edge in kinds},
        "domains": domains,
    }


def _cold_shares(rows: Rows) -> dict[str, float]:
    found = {role: _cold(rows.labels, role) for role in ("member", "item")}
    return {role: share for role, share in found.items() if share is not None}


def _cold(labels: pd.DataFrame, role: str) -> float | None:
    """The share of impressions, after the first day, whose member or item no earlier day has."""
    if labels["day"].nunique() < 2:
        return None
    first = labels.groupby(role)["day"].transform("min")
    later = labels["day"] > labels["day"].min()
    return float((first == labels["day"])[later].mean())
