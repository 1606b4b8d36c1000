"""What an accepted change does to predictions: the world has moved, not the version that served before it too."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from monitoring.accepted import Accepted
from monitoring.verdict import LAYERS, Alarm, State, Verdict

_FOLLOWING = ("predictions", "ranking")
"""Layers whose alarms ask for a rollback, and may follow from what changes before them."""
_OWN = ("predictions.invalid", "predictions.constant")
"""Causes in these layers that no change of the world explains."""


def outlived(version: str, accepted: Iterable[Accepted], verdicts: Iterable[Verdict]) -> list[Accepted]:
    """The accepted changes that a version has outlived: it had a role on a day before them (``verdicts``: theirs)."""
    first = min((one.day for one in verdicts if version in one.versions.values()), default=None)
    return [one for one in accepted if first is not None and first < one.since]


def lowered(alarms: Iterable[Alarm], day: str, changes: Sequence[Accepted], verdicts: Sequence[Verdict]) -> list[Alarm]:
    """The alarms of a day, with a training instead of a rollback where they follow from changes of an earlier layer.

    An alarm follows from a change if its cause was found on the day on which the change was accepted, and on all days
    judged since (``verdicts``): what begins later has another reason.
    """
    return [
        replace(one, state=State.RETRAIN)
        if one.state == State.ROLL_BACK and any(_follows(one, day, change, verdicts) for change in changes)
        else one
        for one in alarms
    ]


def _follows(alarm: Alarm, day: str, change: Accepted, verdicts: Iterable[Verdict]) -> bool:
    if alarm.layer not in _FOLLOWING or alarm.cause in _OWN:
        return False
    between = [one for one in verdicts if change.day <= one.day < day]
    there = all(any(one.cause == alarm.cause for one in judged.evidence) for judged in between)
    return there and LAYERS.index(change.cause.partition(".")[0]) < LAYERS.index(alarm.layer)
