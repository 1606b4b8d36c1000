"""CTR and calibration of traffic: predicted and observed rates by day and by surface.

The rows are predictions (``from_predictions``), or served candidates with their labels (``monitoring.outcomes``).
"""

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from models.metrics import ece
from models.spec import Spec
from monitoring.calibration import reliability
from monitoring.documents import plain
from monitoring.errors import TrafficError
from monitoring.predictions import column

COLUMNS = ("time", "surface", "label", "probability")


def summarise(frame: pd.DataFrame, zone: str = "UTC") -> dict[str, Any]:
    """Summarize rows with the columns ``time`` (UTC), ``surface``, ``label`` (0, 1, NaN = unknown), ``probability``.

    Returns strict JSON: ``rows``, ``labelled``, and over the labeled rows ``ctr`` (share of positives), ``predicted``
    (mean probability), ``ratio`` (predicted / ctr: above 1 = too high), ``ece`` and ``deciles``; ``days`` (in the time
    zone ``zone``) and ``surfaces`` hold the same figures by day and surface. A figure without labeled rows is None or
    []; so is one that needs probabilities if a labeled row has none. Raises TrafficError for a missing column, a label
    other than 0 and 1, or a probability outside 0 to 1.
    """
    _check(frame)
    labels, probabilities = frame["label"].to_numpy(dtype=float), frame["probability"].to_numpy(dtype=float)
    day = frame["time"].dt.tz_convert(ZoneInfo(zone)).dt.date.astype(str) if len(frame) else pd.Series(dtype=str)
    return plain(
        {
            **_figures(labels, probabilities),
            "deciles": reliability(labels, probabilities),
            "days": _by("day", day.to_numpy(), labels, probabilities),
            "surfaces": _by("surface", frame["surface"].to_numpy(), labels, probabilities),
        }
    )


def from_predictions(spec: Spec, predictions: pd.DataFrame, window: str, scorer: str = "candidate") -> pd.DataFrame:
    """The as-of rows of a window with a scorer's probability of the primary task, as input of ``summarise``."""
    task = spec.primary_task
    rows = predictions[(predictions["window"] == window) & (predictions["state"] == "as_of")]
    renamed = {f"label_{task}": "label", column(scorer, task): "probability"}
    return rows[["time", "surface", *renamed]].rename(columns=renamed).reset_index(drop=True)


def _check(frame: pd.DataFrame) -> None:
    for name in COLUMNS:
        if name not in frame:
            raise TrafficError(f"traffic: expected the columns {', '.join(COLUMNS)}; found no {name!r}")
    labels = frame["label"].dropna()
    if not labels.isin([0, 1]).all():
        raise TrafficError(f"traffic, column label: expected 0, 1 or NaN; found {labels[~labels.isin([0, 1])].iloc[0]}")
    outside = frame["probability"][(frame["probability"] < 0) | (frame["probability"] > 1)]
    if len(outside):
        raise TrafficError(f"traffic, column probability: expected 0 to 1; found {outside.iloc[0]}")


def _by(name: str, groups: np.ndarray, labels: np.ndarray, probabilities: np.ndarray) -> list[dict[str, Any]]:
    return [
        {name: str(group), **_figures(labels[groups == group], probabilities[groups == group])}
        for group in sorted(set(groups.tolist()))
    ]


def _figures(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    known = ~np.isnan(labels)
    labelled = int(known.sum())
    if not labelled:
        return {"rows": len(labels), "labelled": 0, "ctr": None, "predicted": None, "ratio": None, "ece": None}
    ctr, predicted = float(labels[known].mean()), float(probabilities[known].mean())
    return {
        "rows": len(labels),
        "labelled": labelled,
        "ctr": ctr,
        "predicted": predicted,
        "ratio": predicted / ctr if ctr else None,
        "ece": ece(labels[known], probabilities[known], bins=10),
    }
