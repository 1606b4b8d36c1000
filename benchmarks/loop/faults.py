"""A fault a week: what breaks on which day, and what the verdict has to say about it."""

from dataclasses import dataclass

import numpy as np

from benchmarks.loop.traffic import PER_CALL, Traffic
from feature_repo.sources.world.draw import DAY, HOUR
from feature_repo.sources.world.live import Drift
from feature_repo.sources.world.notifications import SURFACES

DRIFT = "drift"
DRIFT_DAY = 10
"""The live day on which a new app arrives, in which members' taste is another one."""
_BOT_CALLS = 60
_LATE = 2 * DAY
"""Seconds by which outcomes come later: on the day on which they are judged, they are missing."""
_MOOD = -1.0
"""Log-odds by which members click less while calibration is off: predictions are about 1.7 times what they do."""


@dataclass(frozen=True)
class Fault:
    """A fault of one live day, counted from the first."""

    name: str
    day: int
    lasts: bool = False
    """Whether it stays until the end."""


FAULTS = (
    Fault("bot", 8),
    Fault("surface_gone", 18),
    Fault("labels_missing", 21),
    Fault("column_gone", 23),
    Fault("fewer_clicks", 26, lasts=True),
)
ROWS = {DRIFT: "new_category_5", "fewer_clicks": "calibration_x1.15"}
"""The row of ``benchmarks.monitoring_faults.table`` with the cause and the state that a verdict must name, where it
has another name there. Three days are allowed for a calibration: a day has 400 outcomes here, and 20,000 rows there."""


def drift(first: int) -> Drift:
    """The change of the world: job alerts and suggestions are clicked more in the new app, posts of creators less."""
    return Drift(first + DRIFT_DAY, kinds=(-2.0, -1.5, 1.5, 2.0), share=0.6, days=24)


def set_faults(traffic: Traffic, live_day: int) -> str:
    """Break what is broken on a live day and repair what no longer is; return the fault's name, "" for none."""
    today = next((fault.name for fault in FAULTS if fault.day == live_day), "")
    lasting = {fault.name for fault in FAULTS if fault.lasts and fault.day <= live_day}
    traffic.delay = _LATE if today == "labels_missing" else 0
    traffic.hidden_app = today == "column_gone"
    traffic.closed = SURFACES.index("email") if today == "surface_gone" else None
    traffic.live.mood = _MOOD if "fewer_clicks" in lasting else 0.0
    return today


def bot(traffic: Traffic, day: int) -> None:
    """One member requests slates all over the day's noon hour; nobody is shown anything."""
    rows = traffic.live.day(day)
    traffic.product.set_clock(day * DAY + 12 * HOUR)
    instance = traffic.instance(rows[np.argmax(traffic.live.sessions.surface[rows] == 0)])
    for _ in range(_BOT_CALLS):
        traffic.product.rank([instance] * PER_CALL)
