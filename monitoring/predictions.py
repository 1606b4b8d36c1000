"""The frame of predictions: its columns, and the rows and arrays that gate, metrics and comparison read from it.

Columns: ``key, member, item, surface, time, window, state`` (member state: as_of | frozen), ``label_<task>`` (NaN where
the task is not defined), ``<scorer>_<task>`` probabilities for scorer in candidate, ``network`` (the network of a
candidate that has trees), ``trees`` (the floor: trees on all features), champion, popularity, and ``oracle`` (simulated
worlds: the true probability of the primary label). A version promoted before the champion is the scorer
``version_<number>``; it is scored for the gate only: NaN outside the gate window and outside as-of state.
"""

import re
from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd

from models.spec import Spec
from monitoring.errors import PredictionsError

MEMBER_STATES: tuple[Literal["as_of", "frozen"], ...] = ("as_of", "frozen")
FLOOR: Final = "trees"
"""The scorer that a candidate must not be below."""
BESIDE = ("network", FLOOR, "popularity")
"""The scorers from which the candidate's differences are measured: its network alone, and what is simpler."""
SCORERS = ("candidate", "network", FLOOR, "champion", "popularity", "oracle")
WINDOWS = ("gate", "test")


class Scored(NamedTuple):
    """The rows where one task is defined: labels (rows,) 0 or 1, members (rows,), scores (rows,) by scorer."""

    labels: np.ndarray
    members: np.ndarray
    scores: dict[str, np.ndarray]
    rows: pd.DataFrame


def column(scorer: str, task: str) -> str:
    """Name of the column with a scorer's probabilities of a task; the oracle has one column, for the primary task."""
    return "oracle" if scorer == "oracle" else f"{scorer}_{task}"


def version_scorer(version: str) -> str:
    """Name of the scorer of a version that was promoted before the champion."""
    return f"version_{version}"


def earlier_versions(columns: Iterable[object], task: str) -> list[str]:
    """The versions that have a column of the task's probabilities, newest first."""
    found = (re.fullmatch(rf"version_(\d+)_{re.escape(task)}", str(name)) for name in columns)
    return sorted((match[1] for match in found if match), key=int, reverse=True)


def scorers_of(spec: Spec, predictions: pd.DataFrame, task: str) -> list[str]:
    """The scorers that predict the task in this frame, in the order of ``SCORERS``."""
    known = [scorer for scorer in SCORERS if column(scorer, task) in predictions]
    return [scorer for scorer in known if scorer != "oracle" or task == spec.primary_task]


def defined(spec: Spec, predictions: pd.DataFrame, window: str, member_state: str, task: str) -> Scored:
    """The rows of a window and member state where the task is defined. Raises PredictionsError for a missing column."""
    for needed in ("member", "surface", "time", "window", "state", f"label_{task}"):
        if needed not in predictions:
            raise PredictionsError(
                f"predictions: expected the column {needed!r}; found {', '.join(map(str, predictions.columns))}. "
                "Take the predictions.parquet that evaluation wrote for this spec"
            )
    chosen = (predictions["window"] == window) & (predictions["state"] == member_state)
    rows = predictions[chosen & predictions[f"label_{task}"].notna()]
    scores = {
        scorer: rows[column(scorer, task)].to_numpy(dtype=np.float64) for scorer in scorers_of(spec, predictions, task)
    }
    labels = rows[f"label_{task}"].to_numpy(dtype=np.float64)
    return Scored(labels, rows["member"].to_numpy(), scores, rows)
