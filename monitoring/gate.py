"""The promotion gate: may the candidate serve?

It reads the gate window only (after the training cut-off of every model, never the reported test window) and as-of
state. It asks five things, each with a bound in the spec (``gate``):

- the primary task's AUC is not worse than the champion's (the floor's where no champion could be scored), nor than that
  of any of the last promoted versions, by more than the margin: small losses do not add up;
- it is not below the floor (trees on counters and context);
- no other task's AUC is worse by more than its margin;
- the probabilities of every task mean what they say (``monitoring.bounds``);
- no figure lies outside of its own interval.

``monitoring.differences`` says which statistic is compared. Some findings hold a candidate before anything is compared:
too few rows or members, one class only, missing or impossible probabilities, constant scores. A task that is not the
primary one holds nothing for lack of data; the reasons say that it was not judged.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from models.spec import Spec
from models.time_units import iso
from monitoring.bounds import calibration
from monitoring.differences import ENOUGH, Differences, Finding, figures
from monitoring.documents import plain, read_json
from monitoring.predictions import Scored, defined, earlier_versions, version_scorer

MINIMUM_ROWS = 100
MINIMUM_OF_A_CLASS = 10
MINIMUM_MEMBERS = 10
"""Below this a bootstrap over members says little."""


@dataclass(frozen=True)
class Verdict:
    """What the gate decided, and why. Read by registration, deployment and monitoring."""

    decision: Literal["promote", "hold"]
    reasons: list[str]
    """Sentences with figures, what holds first; never empty."""
    task: str
    reference: Literal["champion", "floor"]
    margin: float
    confidence: float
    window: dict[str, Any]
    """start, end (ISO-8601), rows, members, positives."""
    metrics: dict[str, Any]
    """Of the primary task candidate, reference: {auc, low, high} (95 %); difference: {auc, low, high}, its bounds
    one-sided; floor and earlier (by version): both of these; tasks (by task): calibration, and the other tasks' AUC."""
    versions: dict[str, str] = field(default_factory=dict)
    """By scorer: the version that was judged, as far as the caller knows it."""
    best: str | None = None
    """The version to compare with from now on, as the best so far; None = the candidate, once it is promoted."""

    @property
    def promoted(self) -> bool:
        """Whether the candidate may serve."""
        return self.decision == "promote"

    def to_json(self) -> dict[str, Any]:
        """As a JSON document without NaN."""
        return plain(asdict(self))


def judge(
    spec: Spec, predictions: pd.DataFrame, versions: dict[str, str] | None = None, best: str | None = None
) -> Verdict:
    """Judge the candidate on the gate window. Deterministic: same predictions, same verdict.

    ``predictions`` has the columns of ``monitoring.predictions``; ``best``: the version that was the best so far (the
    champion where None). Raises PredictionsError for missing columns.
    """
    task, span = spec.primary_task, spec.span("gate")
    rows = _with_earlier(predictions, defined(spec, predictions, "gate", "as_of", task), task)
    reference: Literal["champion", "floor"] = "champion" if "champion" in rows.scores else "floor"
    findings = [Finding(True, reason) for reason in _obstacles(rows, reference, task, predictions)]
    found: dict[str, Any] = {}
    following = None
    if not findings:
        champion = (versions or {}).get("champion", "")
        found, findings, following = _primary(spec, rows, reference, best or champion, champion)
        found["tasks"] = {task: {}}
        found["tasks"][task], more = calibration(spec, rows, task)
        findings += more
    for other in (name for name in spec.tasks if name != task):
        figures_of_task, more = _other(spec, predictions, other)
        findings += [finding for finding in more if finding.holds or "candidate" in found]
        found.setdefault("tasks", {})[other] = figures_of_task
    held = [finding.sentence for finding in findings if finding.holds]
    return Verdict(
        decision="hold" if held else "promote",
        reasons=[*held, *(finding.sentence for finding in findings if not finding.holds)],
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
        best=following,
    )


def judge_folder(spec: Spec, folder: Path) -> Verdict:
    """Judge what ``evaluation.evaluate`` wrote to ``folder``, against the versions that were scored there.

    A champion or an earlier version that could not be scored is named in the reasons; the floor takes the champion's
    place.
    """
    predictions = pd.read_parquet(folder / "predictions.parquet")
    measured = read_json(folder / "metrics.json")
    champion, unusable = measured.get("champion_version"), measured.get("champion_unusable")
    earlier = measured.get("earlier") or {}
    versions = {"champion": champion} if champion and not unusable else None
    best, skipped = earlier.get("best"), earlier.get("skipped") or {}
    verdict = judge(spec, predictions, versions, best)
    notes = [
        f"Version {version} was promoted before and is not compared with: {reason}."
        for version, reason in skipped.items()
    ]
    if best in skipped:  # what was not compared with cannot have been surpassed
        verdict = replace(verdict, best=best)
        notes.append(f"Version {best} stays the best so far.")
    if unusable:
        notes.append(f"The champion could not be scored on this graph, so the floor is the reference ({unusable}).")
    return replace(verdict, reasons=[*verdict.reasons, *notes])


def _primary(
    spec: Spec, rows: Scored, reference: str, best: str, champion: str
) -> tuple[dict[str, Any], list[Finding], str | None]:
    """Figures and findings of the primary task, and the best version from now on."""
    differences, task = Differences(spec, spec.primary_task, rows), spec.primary_task
    whole, broken = _usable(rows, earlier_versions(rows.rows.columns, task), task)
    findings = [differences.not_worse(reference, reference)]
    has_floor = "floor" in rows.scores and not _broken(rows.scores["floor"], "floor", task)
    if has_floor:
        above = differences.above_floor()
        findings += [above] if above.holds or reference != "floor" else []
    earlier = {version_scorer(version): f"version {version}" for version in whole}
    against = {scorer: differences.not_worse(scorer, name) for scorer, name in earlier.items()}
    findings += [finding for finding in against.values() if finding.holds]
    passed = [earlier[scorer] for scorer, finding in against.items() if not finding.holds]
    if passed:
        findings.append(Finding(False, f"Not worse by more than the margin than {', '.join(passed)} either."))
    scorers = [reference, *earlier, *(["floor"] if has_floor and reference != "floor" else [])]
    findings += [*differences.outside_intervals(scorers), *broken]
    found: dict[str, Any] = {
        "candidate": differences.area("candidate"),
        "reference": differences.area(reference),
        "difference": differences.against(reference),
        "floor": figures(differences, {"floor": "floor"})["floor"] if has_floor else None,
        "earlier": figures(differences, {version_scorer(version): version for version in whole}),
    }
    of_version = {version: version_scorer(version) for version in whole}
    if champion and reference == "champion":
        of_version[champion] = "champion"
    return found, findings, _best(differences, of_version, best)


def _best(differences: Differences, scorers: Mapping[str, str], best: str) -> str | None:
    """The version to compare with from now on: the best so far, until a candidate is better beyond chance."""
    if not scorers:
        return None
    if best not in scorers:
        best = max(scorers, key=lambda version: differences.area(scorers[version])["auc"])
    return None if differences.against(scorers[best])["low"] > 0 else best


def _other(spec: Spec, predictions: pd.DataFrame, task: str) -> tuple[dict[str, Any], list[Finding]]:
    """Figures and findings of a task that is not the primary one."""
    rows = _with_earlier(predictions, defined(spec, predictions, "gate", "as_of", task), task)
    broken = _unusable(predictions, task)
    if broken:
        return {}, [Finding(True, reason) for reason in broken]
    candidates = [scorer for scorer in ("champion", "floor") if scorer in rows.scores]
    references = [scorer for scorer in candidates if not _broken(rows.scores[scorer], scorer, task)]
    findings = [
        Finding(False, f"The {scorer} has no usable {task} probabilities: not compared on it.")
        for scorer in candidates
        if scorer not in references
    ]
    found: dict[str, Any] = {}
    members = len(np.unique(rows.members))
    if len(rows.labels) >= MINIMUM_ROWS and members >= MINIMUM_MEMBERS:
        earlier, _ = _usable(rows, earlier_versions(rows.rows.columns, task), task)
        found, more = calibration(spec, rows, task, [*references, *map(version_scorer, earlier)])
        findings += more
    positives = int(rows.labels.sum())
    lacking = min(positives, len(rows.labels) - positives)
    if lacking < ENOUGH or members < MINIMUM_MEMBERS:
        sentence = f"{task} was not compared: the gate window holds {positives} positive and "
        sentence += f"{len(rows.labels) - positives} negative labels of {members} members, {ENOUGH} of each are needed."
        return found, [*findings, Finding(False, sentence)]
    whole, skipped = _usable(rows, earlier_versions(rows.rows.columns, task), task)
    names: dict[str, str] = {scorer: scorer for scorer in references}
    names |= {version_scorer(version): f"version {version}" for version in whole}
    differences = Differences(spec, task, rows)
    compared = {scorer: differences.not_harmed(scorer, name) for scorer, name in names.items()}
    findings += [compared[scorer] for scorer in names if compared[scorer].holds or scorer == next(iter(names))]
    findings += [*differences.outside_intervals(list(names)), *skipped]
    areas = {"candidate": differences.area("candidate"), **figures(differences, names)}
    return {**found, **areas}, findings


def _with_earlier(predictions: pd.DataFrame, rows: Scored, task: str) -> Scored:
    """The rows with the scores of the earlier versions beside the others."""
    earlier = {
        version_scorer(version): rows.rows[f"{version_scorer(version)}_{task}"].to_numpy(dtype=np.float64)
        for version in earlier_versions(predictions.columns, task)
    }
    return rows._replace(scores={**rows.scores, **earlier})


def _usable(rows: Scored, versions: list[str], task: str) -> tuple[list[str], list[Finding]]:
    """The earlier versions whose probabilities are whole, and what is said of the others."""
    problems = {
        version: _broken(rows.scores[version_scorer(version)], f"version {version}", task) for version in versions
    }
    said = [Finding(False, f"{reason} It is not compared with.") for found in problems.values() for reason in found]
    return [version for version in versions if not problems[version]], said


def _obstacles(rows: Scored, reference: str, task: str, predictions: pd.DataFrame) -> list[str]:
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
    return [*found, *_unusable(predictions, task), *_broken(rows.scores.get(reference), reference, task)]


def _unusable(predictions: pd.DataFrame, task: str) -> list[str]:
    """What is wrong with the candidate's probabilities, in the rows without a label too: these are answered as well."""
    here = (predictions["window"] == "gate") & (predictions["state"] == "as_of")
    name = f"candidate_{task}"
    scores = predictions.loc[here, name].to_numpy(dtype=np.float64) if name in predictions else None
    found = _broken(scores, "candidate", task)
    if scores is not None and not found and len(scores) > 1 and np.ptp(scores) == 0:
        found.append(f"The candidate's {task} probability is {scores[0]:.4f} in every row: it ranks nothing.")
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
