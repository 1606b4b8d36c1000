"""A new calibration of a version that serves, fitted on what it served and checked on other members' rows.

Weights and order stay. Members are split in two halves: one fits a Platt scaling of the served probabilities, per task,
the other judges it. So the verdict is about rows that the fit has not seen, of the same days. The scaling comes after
the version's own, of warm and cold rows alike: few served rows are cold. Rows that the version did not rank (fallback),
that a rule of another version served, or whose label is pending are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd

from models.calibration import Calibration, Platt, fit_platt
from models.metrics import log_loss
from models.spec import Spec
from models.time_units import iso
from monitoring.bounds import calibration
from monitoring.errors import EvaluationError
from monitoring.gate import GateVerdict
from monitoring.obstacles import obstacles, score_problems
from monitoring.predictions import Scored
from monitoring.profiles.build import predicted
from monitoring.profiles.rows import day_of
from monitoring.profiles.version import VersionProfile

_SMALLEST = 1e-9
_ROWS = "served rows that judge"


class Recalibrated(NamedTuple):
    """A calibration and the gate's verdict on it."""

    calibration: Calibration
    verdict: GateVerdict
    rows: int
    """Rows that fitted it."""
    judged: Mapping[str, pd.DataFrame] = {}
    """By task with a new calibration: (rows that judged it,) ``surface``, ``day`` of the product, ``label_<task>``, and
    ``probability_<task>`` under it."""


def read_settled(spec: Spec, folder: Path, version: str, since: int) -> pd.DataFrame:
    """The settled rows of a version from ``since`` (microseconds UTC) on, in joined days (``day=<day>.parquet``).

    Columns: served, member, surface, and ``probability_<task>``, ``label_<task>`` of every task.
    """
    import pyarrow.parquet as pq

    tasks = [f"{what}_{task}" for task in spec.tasks for what in ("probability", "label")]
    names = ["served", "member", "surface", *tasks]
    parts = []
    for path in sorted(folder.glob("day=*.parquet")):
        table = pq.read_table(path, columns=[*names, "model_version", "fallback"]).to_pandas()
        here = (table["model_version"] == version) & ~table["fallback"].fillna(False).astype(bool)
        here &= (table["served"] >= since) & table[[f"label_{task}" for task in spec.tasks]].notna().any(axis=1)
        parts.append(table.loc[here, names])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names)


def recalibrate(
    spec: Spec, rows: pd.DataFrame, before: Calibration, version: str, best: str | None = None
) -> Recalibrated:
    """Fit a calibration on one half of the members, judge it on the other. Deterministic.

    ``rows``: of ``read_settled``; ``before``: the calibration that served them; ``version``: the version that served
    them; ``best``: the best version so far. A task keeps its calibration where the first half has one label alone, or
    the new one does not lower the log loss of the second half. Held where no task gets a new one, where a bound of the
    gate is violated, and where the second half is too small to judge the primary task. Raises EvaluationError for a
    calibration of other tasks than the spec's.
    """
    if list(before.tasks) != list(spec.tasks):
        raise EvaluationError(
            f"version {version}: expected the tasks of the spec, {', '.join(spec.tasks)}; found "
            f"{', '.join(before.tasks)}. Train a version of this spec"
        )
    fits = np.array([crc32(str(member).encode()) & 1 for member in rows["member"]], dtype=bool)
    checks = {task: _check(spec, rows[fits], rows[~fits], task) for task in before.tasks}
    blocking = [sentence for check in checks.values() for sentence in check.blocking]
    if not any(check.changed for check in checks.values()):
        blocking.append("No task has a lower log loss with a new calibration.")
    primary = checks[spec.primary_task]
    verdict = GateVerdict(
        decision="hold" if blocking else "promote",
        reasons=[
            *blocking,
            f"New calibration of version {version}, judged on what it served to the other half of the members.",
            *(sentence for check in checks.values() for sentence in check.notes),
        ],
        task=spec.primary_task,
        reference="champion",
        margin=spec.gate.margin,
        confidence=spec.gate.confidence,
        window=_window(primary.rows),
        metrics={"tasks": {task: check.figures for task, check in checks.items()}},
        versions={"champion": version},
        best=best,
    )
    calibration = before.then({task: check.platt for task, check in checks.items() if check.changed})
    judged = {task: _judged(spec, task, check.rows) for task, check in checks.items() if check.changed}
    return Recalibrated(calibration, verdict, int(fits.sum()), judged)


def recalibrated_profile(before: VersionProfile, found: Recalibrated) -> VersionProfile:
    """The profile of the version with the new calibration, from that of the version that served.

    Its predictions and their ratio to the labels are those of the rows that judged the calibration; of a task that
    keeps its calibration, and in all other parts, it is the same.
    """
    predictions, calibrations = dict(before.predictions), dict(before.calibration)
    for task, rows in found.judged.items():
        parts = predicted([task], rows)
        predictions |= parts["predictions"]
        calibrations |= parts["calibration"]
    return replace(before, predictions=predictions, calibration=calibrations)


def _judged(spec: Spec, task: str, scored: Scored) -> pd.DataFrame:
    days = day_of(spec, pd.to_datetime(scored.rows["served"], unit="us", utc=True))
    values = {f"label_{task}": scored.labels, f"probability_{task}": scored.scores["candidate"]}
    return scored.rows[["surface"]].assign(day=days, **values)


class _Check(NamedTuple):
    """One task: the scaling of its served probabilities, and what the judging rows say about it."""

    platt: Platt
    changed: bool
    rows: Scored
    figures: dict[str, Any]
    blocking: list[str]
    notes: list[str]


def _check(spec: Spec, fitting: pd.DataFrame, judging: pd.DataFrame, task: str) -> _Check:
    """Fit one task, and judge it by the checks of the gate that a calibration can change."""
    primary, fitted = task == spec.primary_task, _fitted(fitting, task)
    scored = _scored(judging, task, fitted)
    problems = [*obstacles(scored, task, _ROWS), *score_problems(scored.scores["candidate"], "candidate", task)]
    if problems:
        return _Check(Platt(), False, scored, {}, problems if primary else [], [] if primary else problems)
    losses = {name: log_loss(scored.labels, scores) for name, scores in scored.scores.items()}
    changed = losses["candidate"] < losses["champion"]
    scored = scored if changed else _scored(judging, task, Platt())
    figures, findings = calibration(spec, scored, task, () if primary else ("champion",))
    text = f"{task} log loss {losses['candidate']:.5f} with a new calibration, {losses['champion']:.5f} before"
    notes = [f"{text}: {'the new one serves' if changed else 'it keeps the old one'}."]
    notes += [one.sentence for one in findings if not one.blocks]
    blocking = [one.sentence for one in findings if one.blocks]
    return _Check(fitted, changed, scored, {**figures, "log_loss": losses}, blocking, notes)


def _fitted(rows: pd.DataFrame, task: str) -> Platt:
    labelled = rows[rows[f"label_{task}"].notna() & rows[f"probability_{task}"].notna()]
    labels = labelled[f"label_{task}"].to_numpy(dtype=np.float64)
    return fit_platt(_logits(labelled[f"probability_{task}"]), labels)


def _scored(rows: pd.DataFrame, task: str, after: Platt) -> Scored:
    here = rows[rows[f"label_{task}"].notna() & rows[f"probability_{task}"].notna()]
    served = here[f"probability_{task}"].to_numpy(dtype=np.float64)
    new = served if after == Platt() else after.apply(_logits(served))
    labels = here[f"label_{task}"].to_numpy(dtype=np.float64)
    return Scored(labels, here["member"].to_numpy(), {"candidate": new, "champion": served}, here)


def _window(scored: Scored) -> dict[str, Any]:
    times = scored.rows["served"].to_numpy(dtype=np.int64)
    start, end = (iso(int(times.min())), iso(int(times.max()) + 1)) if len(times) else ("", "")
    counts = {"rows": len(times), "members": len(np.unique(scored.members)), "positives": int(scored.labels.sum())}
    return {"start": start, "end": end, **counts}


def _logits(probabilities: Sequence[float] | np.ndarray | pd.Series) -> np.ndarray:
    inside = np.clip(np.asarray(probabilities, dtype=np.float64), _SMALLEST, 1 - _SMALLEST)
    return np.log(inside) - np.log1p(-inside)
