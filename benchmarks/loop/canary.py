"""The canary against the champion by what members did: promoted, taken back, or looked at for another day."""

from typing import Literal, NamedTuple

import pandas as pd

LONGEST = 4
"""Days after which a canary that has not won goes."""
_Z = 1.645
"""Of a two-sided 90 % interval."""


class Difference(NamedTuple):
    """Realised CTR of the canary minus that of the champion, with its 90 % interval."""

    value: float
    low: float
    high: float

    @property
    def decision(self) -> Literal["promote", "roll_back", "wait"]:
        """What the interval says."""
        return "promote" if self.low > 0 else "roll_back" if self.high < 0 else "wait"


def difference(shown: pd.DataFrame, champion: str, canary: str, since: int, until: int) -> Difference:
    """Compare deliveries from ``since`` on whose outcomes were received before ``until`` (seconds).

    With fewer than two of a version, the interval has every value.
    """
    some = shown[(shown["time"] >= since) & (shown["received"] < until)]
    clicked = [some.loc[some["version"] == version, "clicked"] for version in (canary, champion)]
    if min(map(len, clicked)) < 2:
        return Difference(0.0, -1.0, 1.0)
    value = float(clicked[0].mean() - clicked[1].mean())
    error = float(sum(one.mean() * (1 - one.mean()) / len(one) for one in clicked)) ** 0.5
    return Difference(value, value - _Z * error, value + _Z * error)
