"""What keeps a candidate from being compared at all: too few rows, members or labels, and unusable probabilities."""

import numpy as np
import pandas as pd

from monitoring.predictions import Scored

MINIMUM_ROWS = 100
MINIMUM_OF_A_CLASS = 10
MINIMUM_MEMBERS = 10
"""With fewer members a bootstrap over members says little."""


def obstacles(rows: Scored, task: str, days: str = "gate window") -> list[str]:
    """Why the rows are too few to compare anything, as sentences; [] if they suffice. ``days``: what the rows are."""
    found = []
    positives = int(rows.labels.sum())
    negatives = len(rows.labels) - positives
    if len(rows.labels) < MINIMUM_ROWS:
        found.append(
            f"The {days} holds {len(rows.labels)} rows with a {task} label; at least {MINIMUM_ROWS} are needed."
        )
    for name, count in (("positive", positives), ("negative", negatives)):
        if count < MINIMUM_OF_A_CLASS:
            found.append(f"The {days} holds {count} {name} {task} labels; at least {MINIMUM_OF_A_CLASS} are needed.")
    members = len(np.unique(rows.members))
    if members < MINIMUM_MEMBERS:
        found.append(f"The {days} holds {members} members; at least {MINIMUM_MEMBERS} are needed.")
    return found


def candidate_problems(predictions: pd.DataFrame, task: str) -> list[str]:
    """Problems of the candidate's probabilities, also in rows without a label: they would be served as well."""
    here = (predictions["window"] == "gate") & (predictions["state"] == "as_of")
    name = f"candidate_{task}"
    scores = predictions.loc[here, name].to_numpy(dtype=np.float64) if name in predictions else None
    found = score_problems(scores, "candidate", task)
    if scores is not None and not found and len(scores) > 1 and np.ptp(scores) == 0:
        found.append(f"The candidate's {task} probability is {scores[0]:.4f} in every row: it ranks nothing.")
    return found


def score_problems(scores: np.ndarray | None, scorer: str, task: str) -> list[str]:
    """Problems of probabilities (rows,), None = missing, as sentences."""
    if scores is None:
        return [f"The predictions have no {task} probabilities of the {scorer}."]
    missing = int((~np.isfinite(scores)).sum())
    if missing:
        return [f"The {task} probability of the {scorer} is missing or infinite in {missing} of {len(scores)} rows."]
    outside = int(((scores < 0) | (scores > 1)).sum())
    if outside:
        return [f"The {task} probability of the {scorer} is outside 0 to 1 in {outside} of {len(scores)} rows."]
    return []
