"""What the members were shown, what they did, and when the product gets to know it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.loop.policies import Popularity, probabilities_of
from benchmarks.loop.product import LoopProduct
from feature_repo.sources.professional import TABLES
from feature_repo.sources.world import observe
from feature_repo.sources.world.draw import DAY
from feature_repo.sources.world.live import LiveWorld
from feature_repo.sources.world.live_sessions import NOBODY
from feature_repo.sources.world.notifications import SURFACES
from feature_repo.sources.world_parts import arrivals, write_part
from models.time_units import iso

APPS, NEW_APP = ("phone", "web"), "widget"
"""Where members look; with a drift's new taste they use the new app."""
POLICIES = ("ranker", "popularity", "random", "oracle")
_WEB = 0.3
"""Share of the sessions on the web, as long as there is no other app."""
PER_CALL = 16
"""Slates in one request, the endpoint's default limit."""


class Traffic:
    """Sends the sessions of a live world to the product's endpoint, and its members' outcomes back."""

    def __init__(self, product: LoopProduct, live: LiveWorld, seed: int, delay: int = 0) -> None:
        self.product, self.live = product, live
        self.delay = delay
        """Seconds from an outcome until the product receives it; more during a fault."""
        self._shown: list[pd.DataFrame] = []
        self._seed = seed
        self._tables = observe(live.world, product.midnight, seed)
        self._history = len(live.delivered().time)
        self._popularity = Popularity.after(live)
        rng = np.random.default_rng(np.random.SeedSequence([seed, 5]))
        impressions = self._tables["impressions"]
        impressions["channel_kind"] = np.array(APPS, object)[(rng.random(len(impressions)) < _WEB).astype(int)]
        app = np.array(APPS, object)[(rng.random(len(live.changed)) < _WEB).astype(int)]
        self.app = np.where(live.changed, NEW_APP, app)
        """The app of every session: (sessions,) text."""
        self.hidden_app = False
        """Whether the apps leave their name out of requests: a fault."""
        self.closed: int | None = None
        """A surface (place in ``SURFACES``) that is down: its sessions are not served."""
        self._exported: int | None = None
        self._pushed = 0

    def shown(self) -> pd.DataFrame:
        """One row per session that was shown something, by time; without a column before the first."""
        return pd.concat(self._shown, ignore_index=True) if self._shown else pd.DataFrame()

    def serve(self, rows: np.ndarray) -> None:
        """Show the sessions ``rows``, all of one time: the clock stands there, and slates come from the endpoint."""
        sessions = self.live.sessions
        rows = rows[sessions.surface[rows] != (-1 if self.closed is None else self.closed)]
        if not len(rows):
            return
        time = int(sessions.time[rows[0]])
        self.product.set_clock(time)
        slates: list[dict[str, Any]] = []
        for start in range(0, len(rows), PER_CALL):
            slates += self.product.rank([self.instance(row) for row in rows[start : start + PER_CALL]])
        probability = self.live.probability(rows)
        best = [slate["slate"][0] for slate in slates]
        if any(one["capped"] for one in best):
            raise RuntimeError("expected the first of each slate to be shown; found a capped one")
        chosen = np.array([one["item"] for one in best])
        values = probabilities_of(sessions.candidates[rows], probability, chosen, self._popularity.scores(time))
        done = self.live.deliver(rows, chosen)
        frame = pd.DataFrame(
            {
                "day": self.product.date(time // DAY),
                "impression": [one["impression"] for one in best],
                "version": [slate["model_version"] for slate in slates],
                "fallback": [slate["fallback"] for slate in slates],
                "predicted": [one["probabilities"]["click"] for one in best],
                "member": sessions.member[rows],
                "item": chosen,
                "surface": sessions.surface[rows],
                "app": self.app[rows],
                "time": sessions.time[rows],
                "settled": done.settled,
                "received": done.settled + self.delay,
                "clicked": done.clicked,
                "engaged": done.engaged,
                **values,
            }
        )
        self._shown.append(frame)
        self._popularity.add(chosen, done.clicked, done.settled)

    def instance(self, row: np.integer) -> dict[str, Any]:
        """The request for the slate of a session."""
        sessions = self.live.sessions
        offered = sessions.candidates[row]
        return {
            "member": int(sessions.member[row]),
            "items": offered[offered != NOBODY].tolist(),
            "context": {
                "surface": SURFACES[sessions.surface[row]],
                **({} if self.hidden_app else {"channel_kind": self.app[row]}),
            },
        }

    def push(self, now: int) -> None:
        """Push what was shown since the last push, and what has settled and was received by ``now``."""
        frame = self.shown()
        if frame.empty:
            return
        before, self._pushed = self._pushed, now
        new, came = frame["time"].between(before, now - 1), frame["received"].between(before, now - 1)
        rows = [self._pushed_row(number, row, row.received < now) for number, row in self._numbered(frame[new | came])]
        self.product.push("impressions", rows)
        self.product.push_outcomes([one for _, row in self._numbered(frame[came]) for one in self._outcomes(row)])

    def _outcomes(self, row: Any) -> list[dict[str, Any]]:
        """The outcome of every task, for the impression's id."""
        happened, received = (iso(self.product.microseconds(time)) for time in (row.settled, row.received))
        return [
            {"impression": row.impression, "task": task, "value": value, "happened": happened, "received": received}
            for task, value in (("click", row.clicked), ("engage", row.engaged))
        ]

    def _numbered(self, frame: pd.DataFrame) -> list[tuple[int, Any]]:
        return list(zip(frame.index + self._history, frame.itertuples(index=False), strict=True))

    def _pushed_row(self, number: int, row: Any, known: bool) -> dict[str, Any]:
        at = self.product.microseconds
        return {
            "impression_id": number,
            "member_id": row.member,
            "notification_id": row.item,
            "surface": SURFACES[row.surface],
            "channel_kind": row.app,
            "time": iso(at(row.time)),
            "settled_time": iso(at(row.settled)) if known else None,
            "clicked": row.clicked if known else None,
            "engaged": row.engaged if known else None,
        }

    def export(self, now: int) -> None:
        """Write the rows that arrived since the last export, to before ``now``, as a company's logs grow."""
        tables, arrived = self._known()
        begin, self._exported = self._exported, self.product.microseconds(now)
        name = self.product.date(now // DAY)
        write_part(tables, arrived, self.product.raw, name, begin, self._exported)

    def _known(self) -> tuple[Mapping[str, pd.DataFrame], dict[str, np.ndarray]]:
        """Every table with the live impressions in place of the batch simulation's, and when each row arrives."""
        frame, history = self.shown(), self._history
        tables = {name: self._tables[name].loc[:, list(columns)] for name, columns in TABLES.items()}
        tables = {**tables, "impressions": tables["impressions"][:history], "oracle": tables["oracle"][:history]}
        arrived = arrivals(self.product.spec, tables)
        if len(frame):
            rows = pd.DataFrame([self._pushed_row(number, row, True) for number, row in self._numbered(frame)])
            for column in ("time", "settled_time"):
                rows[column] = pd.to_datetime(rows[column], utc=True, format="ISO8601").astype("datetime64[us, UTC]")
            rows = rows.loc[:, list(TABLES["impressions"])]
            known = pd.DataFrame({"impression_id": rows["impression_id"], "probability": frame["ranker"].round(6)})
            received = self.product.midnight + frame["received"].to_numpy() * 1_000_000
            for name, new in (("impressions", rows), ("oracle", known)):
                tables[name] = pd.concat([tables[name], new.astype(tables[name].dtypes.to_dict())], ignore_index=True)
                arrived[name] = np.concatenate([arrived[name], received])
        return tables, arrived
