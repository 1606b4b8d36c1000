"""Metrics of an evaluation, computed from its predictions alone.

AUC, log loss, normalized entropy and ECE use as-of member state. GAUC and NDCG use state frozen at the start of the
window: within a window, a member's earlier outcomes would leak into the order of the member's other rows.
"""

from typing import Any

import numpy as np
import pandas as pd

from models import metrics
from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from models.time_units import iso
from monitoring.ahead import SEED, Ahead
from monitoring.documents import plain
from monitoring.predictions import BESIDE, WINDOWS, Scored, defined


def measure(spec: Spec, predictions: pd.DataFrame) -> dict[str, Any]:
    """Compute all metrics as strict JSON: ``windows -> <window> -> scores -> <scorer> -> <task> -> {...}``.

    ``predictions`` has the columns of ``monitoring.predictions``. An undefined metric is None (no rows, one class only,
    a row without a score). ``way`` is (AUC - 0.5) / (oracle's AUC - 0.5); ``auc_low`` and ``auc_high`` are the
    two-sided 95 % interval. ``ahead`` of network, trees and popularity, by metric {by, low, high}: the candidate's AUC,
    GAUC, log loss and ECE minus theirs, paired.
    """
    return plain(
        {
            "spec": spec.name,
            "primary_task": spec.primary_task,
            "tasks": list(spec.tasks),
            "windows": {window: _window(spec, predictions, window) for window in WINDOWS},
        }
    )


def _window(spec: Spec, predictions: pd.DataFrame, window: str) -> dict[str, Any]:
    span = spec.span(window)
    rows = predictions[(predictions["window"] == window) & (predictions["state"] == "as_of")]
    scores: dict[str, dict[str, Any]] = {}
    for task in spec.tasks:
        as_of = defined(spec, predictions, window, "as_of", task)
        frozen = defined(spec, predictions, window, "frozen", task)
        ceiling = metrics.auc(as_of.labels, as_of.scores["oracle"]) if "oracle" in as_of.scores else float("nan")
        ahead = Ahead(spec, as_of, frozen)
        for scorer in as_of.scores:
            found = _scores(spec, as_of, frozen, scorer)
            if scorer in BESIDE:
                found["ahead"] = ahead.of(scorer)
            found["way"] = (found["auc"] - 0.5) / (ceiling - 0.5) if ceiling > 0.5 else None
            scores.setdefault(scorer, {})[task] = found
    return {
        "start": iso(span.start),
        "end": iso(span.end),
        "rows": len(rows),
        "members": int(rows["member"].nunique()),
        "scores": scores,
    }


def _scores(spec: Spec, as_of: Scored, frozen: Scored, scorer: str) -> dict[str, Any]:
    labels, scores = as_of.labels, as_of.scores[scorer]
    found: dict[str, Any] = {"rows": len(labels), "positives": int(labels.sum())}
    found["auc"] = metrics.auc(labels, scores)
    found["auc_low"], found["auc_high"] = _interval(spec, as_of, scores)
    found["log_loss"] = metrics.log_loss(labels, scores)
    found["normalised_entropy"] = metrics.normalised_entropy(labels, scores)
    found["ece"] = metrics.ece(labels, scores)
    found["gauc"] = metrics.gauc(frozen.labels, frozen.scores[scorer], frozen.members)
    found["ndcg_at_10"] = metrics.ndcg(frozen.labels, frozen.scores[scorer], frozen.members, k=10)
    found["surfaces"] = _surfaces(spec, as_of, scores)
    return found


def _interval(spec: Spec, rows: Scored, scores: np.ndarray) -> tuple[float, float]:
    return interval(UserBootstrap(rows.members, spec.gate.bootstraps, SEED).draws("auc", rows.labels, scores))


def _surfaces(spec: Spec, rows: Scored, scores: np.ndarray) -> dict[str, dict[str, Any]]:
    surface = rows.rows["surface"].to_numpy()
    return {
        name: {
            "rows": int((surface == name).sum()),
            "positives": int(rows.labels[surface == name].sum()),
            "auc": metrics.auc(rows.labels[surface == name], scores[surface == name]),
        }
        for name in spec.impressions.surfaces
    }
