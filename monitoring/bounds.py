"""Calibration checks of the gate: the mean ratio (sum of probabilities over sum of labels) and ECE, within bounds.

A bound blocks a candidate only if chance does not explain the violation: the whole interval of the ratio is outside, or
ECE is above the bound even after each bin's gap is reduced by its own sampling error. So small windows do not block.
"""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from models import metrics
from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from monitoring.ahead import SEED
from monitoring.differences import ENOUGH, Finding
from monitoring.predictions import Scored

FEWEST_POSITIVES = 10
"""Fewest positive labels with which the mean ratio over all rows is checked."""


def calibration(
    spec: Spec, rows: Scored, task: str, references: Sequence[str] = ()
) -> tuple[dict[str, Any], list[Finding]]:
    """Check the candidate's calibration on one task; return the figures and the findings.

    ``references``: the other scorers. On a task other than the primary one, an ECE above the bound blocks only if the
    best reference's ECE is lower by more than the bound. A surface blocks on the primary task alone; on other tasks a
    surface out of bounds is only reported.
    """
    bootstrap = UserBootstrap(rows.members, spec.gate.bootstraps, SEED)
    scores, primary = rows.scores["candidate"], task == spec.primary_task
    found: dict[str, Any] = {"ece": _ece(spec, bootstrap, rows.labels, scores)}
    bound = spec.gate.ece_of(task)
    compared = not primary and bool(references)
    best = min((metrics.ece(rows.labels, rows.scores[name]) for name in references), default=0.0)
    findings = []
    if found["ece"]["low"] > bound and (not compared or found["ece"]["value"] - best > bound):
        findings.append(
            Finding(
                True,
                f"{task} calibration: the expected calibration error is {found['ece']['value']:.4f}, at least "
                f"{found['ece']['low']:.4f} beyond chance; at most {bound} is allowed (gate.ece).",
            )
        )
    findings += _ratios(spec, bootstrap, rows, task, found)
    if not any(finding.blocks for finding in findings):
        ratio = f"the probabilities are {found['ratio']['value']:.3f} times the labels" if "ratio" in found else ""
        ratio = ratio or f"their ratio was not checked: fewer than {FEWEST_POSITIVES} positive labels"
        high = f", above {bound} as a reference's is" if found["ece"]["low"] > bound else ""
        sentence = f"{task} calibration passes: expected error {found['ece']['value']:.4f}{high}; {ratio}."
        findings.append(Finding(False, sentence))
    return found, findings


def _ece(spec: Spec, bootstrap: UserBootstrap, labels: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """ECE, and ``low``: the part of it beyond chance at the gate's confidence, summed over bins."""
    gaps = bootstrap.gaps(labels, scores)
    beyond = np.abs(gaps[:, 0]) - NormalDist().inv_cdf(spec.gate.confidence) * gaps[:, 1:].std(axis=1)
    return {"value": metrics.ece(labels, scores), "low": float(np.maximum(beyond, 0).sum() / len(labels))}


def _ratios(spec: Spec, bootstrap: UserBootstrap, rows: Scored, task: str, found: dict[str, Any]) -> list[Finding]:
    """Check the mean ratio over all rows and by surface; add the ratios to ``found``."""
    gate, scores, findings = spec.gate, rows.scores["candidate"], []
    surface = rows.rows["surface"].to_numpy()
    everywhere = np.ones(len(scores), dtype=bool)
    found["surfaces"] = {}
    for name, part in (("", everywhere), *((name, surface == name) for name in spec.impressions.surfaces)):
        if rows.labels[part].sum() < (ENOUGH if name else FEWEST_POSITIVES):
            continue
        ratio = _ratio(bootstrap, rows.labels, scores, part, gate.confidence)
        on = f"{task} calibration{f' on {name}' if name else ''}: the probabilities are {ratio['value']:.3f} times"
        on += f" the labels [{ratio['low']:.3f}, {ratio['high']:.3f}]"
        low, high = gate.ratio_of(task)
        if not name:
            found["ratio"] = ratio
            if ratio["low"] > high or ratio["high"] < low:
                findings.append(Finding(True, f"{on}; {low} to {high} is allowed (gate.mean_ratio)."))
            continue
        found["surfaces"][name] = ratio
        lowest, highest = gate.surface_ratio
        if task == spec.primary_task and (ratio["low"] > highest or ratio["high"] < lowest):
            findings.append(Finding(True, f"{on}; {lowest} to {highest} is allowed (gate.surface_ratio)."))
        elif ratio["low"] > high or ratio["high"] < low:
            findings.append(Finding(False, f"{on}: outside {low} to {high}, which does not block on one surface."))
    return findings


def _ratio(
    bootstrap: UserBootstrap, labels: np.ndarray, scores: np.ndarray, part: np.ndarray, confidence: float
) -> dict[str, float]:
    predicted, observed = bootstrap.columns(bootstrap.user[part], scores[part], labels[part])
    # a bootstrap draw without a positive label has no ratio
    low, high = interval(predicted / np.where(observed > 0, observed, np.nan), confidence)
    return {"value": float(scores[part].sum() / labels[part].sum()), "low": low, "high": high}
