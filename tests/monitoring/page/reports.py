"""Reports of a monitoring run, as the component writes them."""

from typing import Any

from monitoring.verdict import ACTIONS, Alarm, State, Verdict

DRIFT = Alarm("features", "features.drift", "seniority", "seniority has moved: PSI 0.31.", State.RETRAIN, {"psi": 0.31})
RATIO = Alarm("calibration", "calibration.ratio", "click email", "predicted 1.2 times as often", State.RECALIBRATE)
ITEM = Alarm("traffic", "traffic.item", "item 88", "item 88 is 2 % of the candidates", State.WATCH)


def figure(surface: str = "all", version: str = "all", settled: int = 1000, **given: Any) -> dict[str, Any]:
    known = {"ctr": 0.1, "predicted": 0.12, "ratio": 1.2, "ratio_low": 1.1, "ratio_high": 1.3}
    known |= {"auc": 0.7, "auc_low": 0.68, "auc_high": 0.72, "normalised_entropy": 0.9}
    nothing = dict.fromkeys(known)
    cell = {"task": "click", "surface": surface, "version": version, "cohort": "all"}
    return {**cell, "settled": settled, "positives": settled // 10, **(known if settled else nothing), **given}


def day(name: str, *figures: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {"day": name, "rows": 1000, "slates": 10, "pending": 0, "fallback": 0.0, "cold": 0.1, **given} | {
        "figures": list(figures)
    }


def report(*days: dict[str, Any], state: State = State.RETRAIN, evidence: tuple[Alarm, ...] = (DRIFT, RATIO)) -> Any:
    cause = evidence[0].cause if evidence else ""
    verdict = Verdict(state, cause, "2026-11-02", "2026-11-03", evidence, ACTIONS[state], {"champion": "12"})
    shift = {"psi": 0.31, "js": 0.2, "wasserstein": 0.6, "null_before": 0.0, "null_now": 0.3, "constant": False}
    return {
        "verdict": verdict.to_json(),
        "alarms": [*verdict.to_json()["evidence"]],
        "days": list(days),
        "outcomes": {"served": 1000, "pending": 40, "late": 2, "orphan": 1},
        "columns": {"seniority": {**shift, "rows": 900}, "hour": {**shift, "psi": 0.01, "rows": 900}},
        "next": "python -m pipelines local --pipeline act --dry-run",
    }
