"""What an accepted change does to predictions: the world has moved, not the version that served before it too."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from monitoring.accepted import Accepted
from monitoring.verdict import LAYERS, Alarm, State, Verdict

_FOLLOWING = ("predictions", "ranking")
"""Layers whose alarms ask for a rollback, and follow from what changes before them."""
_LEFT = (State.HEALTHY, State.WATCH, State.RECALIBRATE)


def outlived(version: str, accepted: Iterable[Accepted], verdicts: Iterable[Verdict]) -> list[Accepted]:
    """The accepted changes that a version has outlived: it had a role on a day before them (``verdicts``: theirs)."""
    first = min((one.day for one in verdicts if version in one.versions.values()), default=None)
    return [one for one in accepted if first is not None and first < one.since]


def lowered(alarms: Iterable[Alarm], changes: Sequence[Accepted]) -> list[Alarm]:
    """The alarms, with a training instead of a rollback where they follow from changes that the version outlived."""
    return [
        replace(one, state=State.RETRAIN) if one.state == State.ROLL_BACK and _follows(one, changes) else one
        for one in alarms
    ]


def only_follows(verdict: Verdict, accepted: Iterable[Accepted], verdicts: Sequence[Verdict]) -> bool:
    """Whether a day asked for a training only since a change was accepted: it is a day of the new normal."""
    if verdict.state != State.RETRAIN:
        return False
    began = [one for one in accepted if one.since <= verdict.day]
    changes = outlived(verdict.versions.get("champion", ""), began, verdicts)
    acting = [one for one in verdict.evidence if one.state not in _LEFT]
    return bool(acting) and all(one.state == State.RETRAIN and _follows(one, changes) for one in acting)


def _follows(alarm: Alarm, changes: Iterable[Accepted]) -> bool:
    layers = [LAYERS.index(one.cause.partition(".")[0]) for one in changes]
    return alarm.layer in _FOLLOWING and min(layers, default=len(LAYERS)) < LAYERS.index(alarm.layer)
