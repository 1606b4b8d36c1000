"""The faults, and the cause and state that the verdict of each has to name.

This table was written before any limit of a monitor was chosen.
"""

from typing import NamedTuple

from monitoring.verdict import State


class Expected(NamedTuple):
    """What the verdict says on the first settled day with the fault."""

    causes: tuple[str, ...]
    """Any of these is right: a fault may have two names."""
    state: State
    within: int = 1
    """Settled days until it is found."""


EXPECTED = {
    "constant": Expected(("features.constant",), State.DATA_FAULT),
    "shifted": Expected(("features.shift",), State.DATA_FAULT),
    "null_30": Expected(("features.null",), State.DATA_FAULT),
    "category_null_95": Expected(("features.null",), State.DATA_FAULT),
    "new_category_5": Expected(("features.new_value",), State.RETRAIN),
    "new_category_0.3": Expected(("features.new_value",), State.WATCH),
    "surface_gone": Expected(("traffic.surface",), State.DATA_FAULT),
    "served_x1.3": Expected(("predictions.shift",), State.ROLL_BACK),
    "served_half": Expected(("predictions.constant",), State.ROLL_BACK),
    "bot": Expected(("traffic.member",), State.DATA_FAULT),
    "empty": Expected(("log.empty",), State.DATA_FAULT),
    "column_gone": Expected(("log.column",), State.DATA_FAULT),
    "all_fallbacks": Expected(("serving.fallback",), State.DATA_FAULT),
    "clock_2033": Expected(("log.clock",), State.DATA_FAULT),
    "torn": Expected(("log.torn",), State.DATA_FAULT),
    "labels_late": Expected(("labels.delay",), State.DATA_FAULT),
    "labels_missing": Expected(("labels.missing",), State.DATA_FAULT),
    "calibration_x1.3": Expected(("calibration.ratio",), State.RECALIBRATE),
    "calibration_x1.15": Expected(("calibration.ratio",), State.RECALIBRATE, within=3),
    "ranking_destroyed": Expected(("ranking.auc",), State.ROLL_BACK),
    "vectors_stale": Expected(("serving.stale",), State.DATA_FAULT),
    "outcomes_duplicated": Expected(("labels.duplicate",), State.WATCH),
}
"""By fault. A sudden shift of one column between two days is broken data (a person decides); a slow one is a changed
world (``features.drift``, retrain). A new value is learned by training, once it is frequent enough to matter.
Duplicated outcomes change no label, since the join keeps the first: somebody should know, nothing has to be done."""
