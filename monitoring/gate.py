"""The promotion gate: decides whether a candidate may serve.

It reads the gate window only (after the training cut-off of every model, never the reported test window), in as-of
member state. It makes six checks, with bounds in the spec (``gate``):

- the primary task's AUC is not lower, by more than the margin, than the champion's and than that of each of the last
  promoted versions, so that small losses do not add up;
- it is not below the floor (trees on all features, ``monitoring.floor``) by more than the floor margin; where a
  champion could not be scored, the floor is also compared as the champion would be;
- no other task's AUC is lower by more than its own margin;
- every task is calibrated (``monitoring.bounds``);
- no figure is outside its own interval;
- no column probably knows the outcome (``monitoring.leaks``).

``monitoring.differences`` documents which statistic is compared. Too few rows or members, a missing class, missing or
impossible probabilities and constant scores hold a candidate before any comparison. A task other than the primary one
never holds a candidate for lack of data; the reasons then say that it was not judged.
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
from monitoring.obstacles import MINIMUM_MEMBERS, MINIMUM_ROWS, candidate_problems, obstacles, score_problems
from monitoring.predictions import FLOOR, Scored, defined, earlier_versions, version_scorer


@dataclass(frozen=True)
class GateVerdict:
    """The gate's decision and its reasons. Read by registration, deployment and monitoring."""

    decision: Literal["promote", "hold"]
    reasons: list[str]
    """Sentences with figures, blocking ones first; never empty."""
    task: str
    reference: Literal["champion", "trees"]
    margin: float
    confidence: float
    window: dict[str, Any]
    """start, end (ISO-8601), rows, members, positives."""
    metrics: dict[str, Any]
    """Of the primary task: candidate and reference {auc, low, high} (two-sided 95 %), difference {auc, low, high} (each
    bound one-sided at ``confidence``), floor and earlier (by version) with both. tasks: by task, its calibration, and
    the AUC of tasks other than the primary one."""
    versions: dict[str, str] = field(default_factory=dict)
    """Version by scorer, as far as the caller knows it."""
    best: str | None = None
    """The best version so far, to compare later candidates with; None = the candidate itself, once promoted."""
    refit: dict[str, Any] | None = None
    """The check of a refit (``monitoring.refit.RefitCheck``); None = there was none."""

    @property
    def promoted(self) -> bool:
        """Whether the candidate may serve."""
        return self.decision == "promote"

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON document without NaN."""
        return plain(asdict(self))


def judge(
    spec: Spec,
    predictions: pd.DataFrame,
    versions: dict[str, str] | None = None,
    best: str | None = None,
    replaced: bool = False,
) -> GateVerdict:
    """Judge the candidate on the gate window. Deterministic: equal predictions give an equal verdict.

    ``predictions`` has the columns of ``monitoring.predictions``. ``versions``: version by scorer. ``best``: the best
    version so far; None = the champion. ``replaced``: the trees stand for a champion that could not be scored, and are
    compared as it would be. Raises PredictionsError for a missing column.
    """
    task, span = spec.primary_task, spec.span("gate")
    rows = _with_earlier(predictions, defined(spec, predictions, "gate", "as_of", task), task)
    reference: Literal["champion", "trees"] = "champion" if "champion" in rows.scores else FLOOR
    reasons = [*obstacles(rows, task), *candidate_problems(predictions, task)]
    reasons += score_problems(rows.scores.get(reference), reference, task)
    findings = [Finding(True, reason) for reason in reasons]
    found: dict[str, Any] = {}
    next_best = None
    if not findings:
        champion = (versions or {}).get("champion", "")
        found, findings, next_best = _primary(spec, rows, reference, best or champion, champion, replaced)
        found["tasks"] = {task: {}}
        found["tasks"][task], more = calibration(spec, rows, task)
        findings += more
    for other in (name for name in spec.tasks if name != task):
        of_task, more = _other(spec, predictions, other)
        findings += [finding for finding in more if finding.blocks or "candidate" in found]
        found.setdefault("tasks", {})[other] = of_task
    blocking = [finding.sentence for finding in findings if finding.blocks]
    return GateVerdict(
        decision="hold" if blocking else "promote",
        reasons=[*blocking, *(finding.sentence for finding in findings if not finding.blocks)],
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
        best=next_best,
    )


def judge_folder(spec: Spec, folder: Path) -> GateVerdict:
    """Judge the predictions that ``evaluation.evaluate`` and ``earlier.score_earlier`` wrote to ``folder``.

    A column that probably knows the outcome (``monitoring.leaks``) holds the candidate.
    The reasons name a champion or earlier version that could not be scored; the trees replace such a champion. They
    also say what was not screened.
    """
    predictions = pd.read_parquet(folder / "predictions.parquet")
    measured = read_json(folder / "metrics.json")
    champion, unusable = measured.get("champion_version"), measured.get("champion_unusable")
    earlier = measured.get("earlier") or {}
    versions = {"champion": champion} if champion and not unusable else None
    best, skipped = earlier.get("best"), earlier.get("skipped") or {}
    verdict = judge(spec, predictions, versions, best, replaced=bool(unusable))
    notes = [f"Version {version}, promoted before, was not compared: {reason}." for version, reason in skipped.items()]
    if best in skipped:  # the candidate cannot have surpassed a version that it was not compared with
        verdict = replace(verdict, best=best)
        notes.append(f"Version {best} stays the best so far.")
    screened = measured.get("leaks") or {}
    notes += screened.get("notes", [])
    if leaks := [finding["sentence"] for finding in screened.get("found", [])]:
        verdict = replace(verdict, decision="hold", reasons=[*leaks, *verdict.reasons])
    if unusable:
        notes.append(f"The champion could not be scored on this graph, so the trees are the reference ({unusable}).")
    return replace(verdict, reasons=[*verdict.reasons, *notes])


def _primary(
    spec: Spec, rows: Scored, reference: str, best: str, champion: str, replaced: bool
) -> tuple[dict[str, Any], list[Finding], str | None]:
    """Figures and findings of the primary task, and the best version after this verdict."""
    differences, task = Differences(spec, spec.primary_task, rows), spec.primary_task
    usable, unusable = _usable(rows, earlier_versions(rows.rows.columns, task), task)
    has_floor = FLOOR in rows.scores and not score_problems(rows.scores[FLOOR], FLOOR, task)
    findings = [] if reference == FLOOR else [differences.not_worse(reference, reference)]
    findings += [differences.above_floor()] if has_floor else []
    findings += [_first(differences, replaced)] if reference == FLOOR else []
    earlier = {version_scorer(version): f"version {version}" for version in usable}
    against = {scorer: differences.not_worse(scorer, name) for scorer, name in earlier.items()}
    findings += [finding for finding in against.values() if finding.blocks]
    passed = [earlier[scorer] for scorer, finding in against.items() if not finding.blocks]
    if passed:
        findings.append(Finding(False, f"Not worse by more than the margin than {', '.join(passed)} either."))
    scorers = [reference, *earlier, *([FLOOR] if has_floor and reference != FLOOR else [])]
    findings += [*differences.outside_intervals(scorers), *unusable]
    found: dict[str, Any] = {
        "candidate": differences.area("candidate"),
        "reference": differences.area(reference),
        "difference": differences.against(reference),
        "floor": figures(differences, {FLOOR: FLOOR})[FLOOR] if has_floor else None,
        "earlier": figures(differences, {version_scorer(version): version for version in usable}),
    }
    of_version = {version: version_scorer(version) for version in usable}
    if champion and reference == "champion":
        of_version[champion] = "champion"
    return found, findings, _best(differences, of_version, best)


def _first(differences: Differences, replaced: bool) -> Finding:
    """What the trees are compared by where no champion was: their bound, or, in a first version, nothing more."""
    if replaced:
        return differences.not_worse(FLOOR, f"{FLOOR}, in the champion's place")
    return Finding(
        False,
        f"There is no champion, so the difference from the {FLOOR} itself was tested, not its lower bound: it may be "
        f"chance.",
    )


def _best(differences: Differences, scorers: Mapping[str, str], best: str) -> str | None:
    """The best version after this verdict: the best so far, or None if the candidate is better beyond chance."""
    if not scorers:
        return None
    if best not in scorers:
        best = max(scorers, key=lambda version: differences.area(scorers[version])["auc"])
    return None if differences.against(scorers[best])["low"] > 0 else best


def _other(spec: Spec, predictions: pd.DataFrame, task: str) -> tuple[dict[str, Any], list[Finding]]:
    """Figures and findings of a task other than the primary one."""
    rows = _with_earlier(predictions, defined(spec, predictions, "gate", "as_of", task), task)
    problems = candidate_problems(predictions, task)
    if problems:
        return {}, [Finding(True, problem) for problem in problems]
    known = [scorer for scorer in ("champion", FLOOR) if scorer in rows.scores]
    references = [scorer for scorer in known if not score_problems(rows.scores[scorer], scorer, task)]
    findings = [
        Finding(False, f"The {task} probabilities of the {scorer} are not usable and were not compared.")
        for scorer in known
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
    usable, unusable = _usable(rows, earlier_versions(rows.rows.columns, task), task)
    names: dict[str, str] = {scorer: scorer for scorer in references}
    names |= {version_scorer(version): f"version {version}" for version in usable}
    differences = Differences(spec, task, rows)
    compared = {scorer: differences.not_harmed(scorer, name) for scorer, name in names.items()}
    findings += [compared[scorer] for scorer in names if compared[scorer].blocks or scorer == next(iter(names))]
    findings += [*differences.outside_intervals(list(names)), *unusable]
    areas = {"candidate": differences.area("candidate"), **figures(differences, names)}
    return {**found, **areas}, findings


def _with_earlier(predictions: pd.DataFrame, rows: Scored, task: str) -> Scored:
    """Add the scores of the earlier versions to the rows."""
    earlier = {
        version_scorer(version): rows.rows[f"{version_scorer(version)}_{task}"].to_numpy(dtype=np.float64)
        for version in earlier_versions(predictions.columns, task)
    }
    return rows._replace(scores={**rows.scores, **earlier})


def _usable(rows: Scored, versions: list[str], task: str) -> tuple[list[str], list[Finding]]:
    """The earlier versions with usable probabilities, and findings about the others."""
    problems = {
        version: score_problems(rows.scores[version_scorer(version)], f"version {version}", task)
        for version in versions
    }
    findings = [Finding(False, f"{problem} It was not compared.") for found in problems.values() for problem in found]
    return [version for version in versions if not problems[version]], findings
