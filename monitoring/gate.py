"""The promotion gate: may the candidate serve?

It reads the gate window only (after the training cut-off of both models, never the reported test window), the primary
task, and as-of state. Let d be AUC(candidate) - AUC(reference) over draws of members with replacement, both models on
the same draw (paired bootstrap). The candidate is promoted if it is not worse than the reference by more than the
spec's margin: the one-sided lower bound of d at the spec's confidence is at least -margin. The reference is the
champion, or the floor (trees on counters and context) where no champion could be scored. Some findings hold a
candidate whatever its AUC: too few rows or members, one class only, missing or impossible probabilities, constant
scores.
"""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from models import metrics
from models.bootstrap import UserBootstrap, interval
from models.spec import Spec
from monitoring.documents import iso, plain, read_json
from monitoring.measure import SEED
from monitoring.predictions import Scored, defined

MINIMUM_ROWS = 100
MINIMUM_OF_A_CLASS = 10
MINIMUM_MEMBERS = 10
"""Below this a bootstrap over members says little."""


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, and why. Read by registration, deployment and monitoring."""

    decision: Literal["promote", "hold"]
    reasons: list[str]
    """Sentences with figures; never empty."""
    task: str
    reference: Literal["champion", "floor"]
    margin: float
    confidence: float
    window: dict[str, Any]
    """start, end (ISO-8601), rows, members, positives."""
    metrics: dict[str, Any]
    """candidate, reference: {auc, low, high} (95 %); difference: {auc, low, high}, its bounds one-sided."""
    versions: dict[str, str] = field(default_factory=dict)
    """By scorer: the version that was judged, as far as the caller knows it."""

    @property
    def promoted(self) -> bool:
        """Whether the candidate may serve."""
        return self.decision == "promote"

    def to_json(self) -> dict[str, Any]:
        """As a JSON document without NaN."""
        return plain(asdict(self))


def judge(spec: Spec, predictions: pd.DataFrame, versions: dict[str, str] | None = None) -> Verdict:
    """Judge the candidate on the gate window. Deterministic: same predictions, same verdict.

    ``predictions`` has the columns of ``monitoring.predictions``. Raises PredictionsError for missing columns.
    """
    task = spec.primary_task
    rows = defined(spec, predictions, "gate", "as_of", task)
    reference: Literal["champion", "floor"] = "champion" if "champion" in rows.scores else "floor"
    reasons = _obstacles(rows, reference, task)
    found: dict[str, Any] = {}
    if not reasons:
        found = _compare(spec, rows, reference)
        reasons = [_sentence(spec, found, reference)]
        decision: Literal["promote", "hold"] = "promote" if found["difference"]["low"] >= -spec.gate.margin else "hold"
    else:
        decision = "hold"
    span = spec.span("gate")
    return Verdict(
        decision=decision,
        reasons=reasons,
        task=task,
        reference=reference,
        margin=spec.gate.margin,
        confidence=spec.gate.confidence,
        window={
            "start": iso(span.start),
            "end": iso(span.end),
            "rows": len(rows.labels),
            "members": len(np.unique(rows.members)),
            "positives": int(rows.labels.sum()),
        },
        metrics=found,
        versions=dict(versions or {}),
    )


def judge_folder(spec: Spec, folder: Path) -> Verdict:
    """Judge what ``evaluation.evaluate`` wrote to ``folder``, against the champion that it scored.

    A champion that could not be scored is named in the reasons; the floor takes its place.
    """
    predictions = pd.read_parquet(folder / "predictions.parquet")
    measured = read_json(folder / "metrics.json")
    champion, unusable = measured.get("champion_version"), measured.get("champion_unusable")
    verdict = judge(spec, predictions, {"champion": champion} if champion and not unusable else None)
    if not unusable:
        return verdict
    note = f"The champion could not be scored on this graph, so the floor is the reference ({unusable})."
    return replace(verdict, reasons=[*verdict.reasons, note])


def _obstacles(rows: Scored, reference: str, task: str) -> list[str]:
    """What forbids a comparison, as sentences."""
    found = []
    positives = int(rows.labels.sum())
    negatives = len(rows.labels) - positives
    if len(rows.labels) < MINIMUM_ROWS:
        found.append(
            f"The gate window holds {len(rows.labels)} rows with a {task} label; at least {MINIMUM_ROWS} are needed."
        )
    for name, count in (("positive", positives), ("negative", negatives)):
        if count < MINIMUM_OF_A_CLASS:
            found.append(
                f"The gate window holds {count} {name} {task} labels; at least {MINIMUM_OF_A_CLASS} are needed."
            )
    members = len(np.unique(rows.members))
    if members < MINIMUM_MEMBERS:
        found.append(f"The gate window holds {members} members; at least {MINIMUM_MEMBERS} are needed.")
    for scorer in ("candidate", reference):
        found += _broken(rows.scores.get(scorer), scorer, task)
    candidate = rows.scores.get("candidate")
    if candidate is not None and len(candidate) > 1 and np.ptp(candidate) == 0:
        found.append(f"The candidate's {task} probability is {candidate[0]:.4f} in every row: it ranks nothing.")
    return found


def _broken(scores: np.ndarray | None, scorer: str, task: str) -> list[str]:
    if scores is None:
        return [f"The {scorer} has no {task} probabilities in the predictions."]
    missing = int((~np.isfinite(scores)).sum())
    if missing:
        return [f"The {scorer}'s {task} probability is missing or infinite in {missing} of {len(scores)} rows."]
    outside = int(((scores < 0) | (scores > 1)).sum())
    if outside:
        return [f"The {scorer}'s {task} probability is outside 0 to 1 in {outside} of {len(scores)} rows."]
    return []


def _compare(spec: Spec, rows: Scored, reference: str) -> dict[str, Any]:
    labels, members, gate = rows.labels, rows.members, spec.gate
    found: dict[str, Any] = {}
    bootstrap, draws = UserBootstrap(members, gate.bootstraps, SEED), {}
    for role, scorer in (("candidate", "candidate"), ("reference", reference)):
        scores = rows.scores[scorer]
        draws[role] = bootstrap.draws("auc", labels, scores)
        low, high = interval(draws[role])
        found[role] = {"auc": metrics.auc(labels, scores), "low": low, "high": high}
    differences = draws["candidate"] - draws["reference"]
    # a draw of members without one of the classes has no AUC, hence no difference
    low, high = np.nanquantile(differences, [1 - gate.confidence, gate.confidence])
    found["difference"] = {
        "auc": found["candidate"]["auc"] - found["reference"]["auc"],
        "low": float(low),
        "high": float(high),
    }
    return found


def _sentence(spec: Spec, found: dict[str, Any], reference: str) -> str:
    gate, difference = spec.gate, found["difference"]
    against = "not below" if difference["low"] >= -gate.margin else "below"
    return (
        f"{spec.primary_task} AUC {found['candidate']['auc']:.4f} against {found['reference']['auc']:.4f} of the "
        f"{reference}: a difference of {difference['auc']:+.4f}, at least {difference['low']:+.4f} with "
        f"{gate.confidence:.0%} confidence, which is {against} the margin of {-gate.margin:+.4f}."
    )
