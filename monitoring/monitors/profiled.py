"""What the profile of a version says about its first days, while there are too few quiet days to learn limits from."""

from collections.abc import Mapping
from typing import Any

from monitoring.monitors.context import Context
from monitoring.verdict import Alarm, State

_NULL, _INFINITE, _NEW = 0.2, 0.01, 0.3
"""Least growth of the share of rows without a value, with an infinity, and with a value of a category that is new."""
_CONSTANT, _VARIED = 0.999, 0.95
"""As of ``features``."""


def profile_of(context: Context, part: str, *keys: str) -> Any:
    """A part of the profile of the version that serves, by keys (``VersionProfile.figures``); None where it has none.

    None, too, once limits are learned from quiet days, and for a day that was compared with another version's profile.
    """
    found: Any = context.newest.profile
    if context.learned or found.get("version") != context.champion():
        return None
    for key in (part, *keys):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def profile_alarm(context: Context, cause: str, subject: str, text: str, state: State, **figures: float) -> Alarm:
    """An alarm that asks for its action from the first day on: its limit is not learned from quiet days."""
    return Alarm(
        cause.partition(".")[0], cause, subject, text, state, {key: float(one) for key, one in figures.items()}
    )


def unlike_training(context: Context, name: str) -> list[Alarm]:
    """A column that has lost its values since the train window, from the version's first day on.

    Nulls (by 20 points), infinities (by one) and unknown values of a category (by 30) above the largest share of a
    train day; 99.9 % with one value, where every train day had less than 95 %. Served impressions are compared with
    impressions. These sizes are far beyond the differences of days, so there is no test; the values' distribution is
    not compared: a ranker shows other items than those before it.
    """
    shift, limits = profile_of(context, "columns", name), profile_of(context, "limits", name)
    if not shift or not limits:
        return []
    column, found = context.newest.columns[name], []
    shares = [("null", "null_now", _NULL, "without a value"), ("infinite", "infinite_now", _INFINITE, "infinite")]
    if column["kind"] == "category":
        shares.append(("new_value", "new_share", _NEW, "with a value that training has not seen"))
    for cause, share, least, words in shares:
        now, before = shift[share], limits[share]
        if now - before >= least:
            text = f"{name}: {now:.1%} of the rows {words}; {before:.1%} of a day in training at most"
            figures = {"share": now, "expected": before}
            found.append(profile_alarm(context, f"features.{cause}", name, text, State.DATA_FAULT, **figures))
    if not found and column["most"] >= _CONSTANT and limits["most"] < _VARIED:
        text = f"{name}: all rows have one value; in training the most frequent one had {limits['most']:.0%} at most"
        found.append(profile_alarm(context, "features.constant", name, text, State.DATA_FAULT, before=limits["most"]))
    return found
