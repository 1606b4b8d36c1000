"""The live world of the study: a product's tables up to a day, and the slates of that day."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from feature_repo.sources.professional import TABLES
from feature_repo.sources.world import observe
from feature_repo.sources.world.draw import DAY
from feature_repo.sources.world.live import Drift, LiveSize, LiveWorld
from feature_repo.sources.world.live_sessions import NOBODY
from feature_repo.sources.world.notifications import KINDS, SURFACES
from feature_repo.sources.world.size import SIZES
from feature_repo.sources.world_parts import arrivals, write_part
from models.spec import Spec

START = date(2026, 3, 2)
"""The simulation's first day."""
FIRST = 30
"""The first served day; the simulation's own deliveries before it are the history."""
_TASTE = (-0.8, -0.4, 0.4, 0.8)
"""Added to the logit of a click by kind of notification, once the drift is complete."""


def make_world(size: str, days: int, seed: int, drift: bool) -> LiveWorld:
    """``days`` served days. With ``drift`` taste moves between kinds, and a fifth of the members change interests."""
    changes = Drift(FIRST + 3, kinds=_TASTE, share=1.0, days=24, interests=0.2) if drift else None
    return LiveWorld(LiveSize(SIZES[size], FIRST + days, FIRST), seed, changes)


class GrowingTables:
    """The tables of a live world as they grow day by day, in parts that the adapter reads."""

    def __init__(self, live: LiveWorld, spec: Spec, folder: Path, seed: int) -> None:
        self._live, self._spec, self._folder = live, spec, folder
        self._start = spec.midnight(START)
        self._tables = observe(live.world, self._start, seed)
        self._history = len(live.delivered().time)

    def write(self, day: int, shown: pd.DataFrame) -> Path:
        """Write what has arrived before the end of a day, counted from the first served one; return the folder.

        ``shown``: all that was shown on earlier days, as ``Slates.shown`` gives it. Nothing of the day itself was shown
        yet; other events of the day are there, and nothing reads them as of an earlier time.
        """
        tables = self._known(shown)
        arrived = arrivals(self._spec, tables)
        for name in ("impressions", "oracle"):  # what a day showed is in the next day's part, settled or not
            arrived[name][self._history :] = [self._spec.midnight(date_of(one + 1)) for one in shown.get("day", ())]
        begin = self._spec.midnight(date_of(day)) if day else None
        end = self._spec.midnight(date_of(day + 1))
        write_part(tables, arrived, self._folder, date_of(day).isoformat(), begin, end)
        return self._folder

    def _known(self, shown: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
        count = self._history
        tables = {name: self._tables[name].loc[:, list(columns)] for name, columns in TABLES.items()}
        tables |= {name: tables[name][:count] for name in ("impressions", "oracle")}
        if len(shown):
            rows = impressions(self._live, self._start, count, shown)
            known = pd.DataFrame({"impression_id": rows["impression_id"], "probability": shown["probability"].round(6)})
            for name, new in (("impressions", rows), ("oracle", known)):
                tables[name] = pd.concat([tables[name], new.astype(tables[name].dtypes.to_dict())], ignore_index=True)
        return tables


def date_of(day: int) -> date:
    """The date of a day, counted from the first served one."""
    return START + timedelta(days=FIRST + day)


def impressions(live: LiveWorld, start: int, first: int, shown: pd.DataFrame) -> pd.DataFrame:
    """Rows of the impressions' table, with ids from ``first`` on. ``shown``: member, item, surface, time, settled,
    clicked, engaged (rows,) each, times in seconds; NaN outcomes for what was not shown yet."""
    kinds = np.array(KINDS, dtype=object)[live.world.notifications.kind[shown["item"]]]
    return pd.DataFrame(
        {
            "impression_id": np.arange(len(shown)) + first,
            "member_id": shown["member"].to_numpy(),
            "notification_id": shown["item"].to_numpy(),
            "surface": np.array(SURFACES, dtype=object)[shown["surface"]],
            "time": _stamps(shown["time"], start),
            "settled_time": _stamps(shown["settled"], start),
            "channel_kind": kinds,
            "clicked": shown["clicked"].to_numpy(),
            "engaged": shown["engaged"].to_numpy(),
        }
    )


def candidates(live: LiveWorld, day: int) -> pd.DataFrame:
    """One row per candidate of the sessions of a day, by session: ``session``, ``place`` in its slate, and the columns
    that ``impressions`` reads."""
    sessions, rows = live.sessions, live.day(FIRST + day)
    offered = sessions.candidates[rows]
    row, place = np.nonzero(offered != NOBODY)
    session = rows[row]
    return pd.DataFrame(
        {
            "session": session,
            "place": place,
            "member": sessions.member[session],
            "item": offered[row, place],
            "surface": sessions.surface[session],
            "time": sessions.time[session],
            "settled": sessions.time[session],
            "clicked": np.nan,
            "engaged": np.nan,
        }
    )


def midnight(day: int) -> int:
    """Seconds from the simulation's start to the first midnight of a day, counted from the first served one."""
    return (FIRST + day) * DAY


def _stamps(seconds: pd.Series, start: int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex((seconds.to_numpy() * 1_000_000 + start).astype("datetime64[us]")).tz_localize("UTC")
