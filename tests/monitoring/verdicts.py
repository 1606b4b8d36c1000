"""Verdicts for the tests."""

from typing import Any

from monitoring.verdict import ACTIONS, Alarm, State, Verdict

CAUSES = {
    State.WATCH: ("predictions", "predictions.shift"),
    State.RECALIBRATE: ("calibration", "calibration.ratio"),
    State.RETRAIN: ("ranking", "ranking.auc"),
    State.ROLL_BACK: ("canary", "canary.worse"),
    State.DATA_FAULT: ("features", "features.null"),
}


def verdict(state: State, day: str = "2026-01-07", versions: dict[str, str] | None = None, **parts: Any) -> Verdict:
    """A verdict of a state, with one alarm unless it is healthy."""
    layer, cause = CAUSES.get(state, ("", ""))
    alarms = (Alarm(layer, cause, "click", "Something is 30 % off.", state),) if cause else ()
    whole = {"since": day, "versions": {"champion": "1"} if versions is None else versions, "evidence": alarms, **parts}
    return Verdict(state, cause, day=day, action=ACTIONS[state], **whole)
