"""The days of a run: every arm chooses for every session, each member is shown what their own arm chooses."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.loop.policies import Popularity, probabilities_of
from benchmarks.studies.online.arms import Arm
from benchmarks.studies.online.models import Models
from benchmarks.studies.online.nightly import Night, dated, prepare
from benchmarks.studies.online.world import FIRST, START, GrowingTables, date_of, midnight
from feature_repo.sources.world.live import LiveWorld
from feature_repo.sources.world.live_sessions import NOBODY
from models.files import replaced_file
from models.spec import Spec
from models.time_units import SECOND

Say = Callable[[str], None]


class Run:
    """One world, and what its members were shown. Days that the folder has are not run again."""

    def __init__(self, spec: Spec, live: LiveWorld, arms: Sequence[Arm], folder: Path, seed: int) -> None:
        self._spec, self._live, self._arms, self._folder = spec, live, arms, folder
        self._tables = GrowingTables(live, spec, folder / "raw", seed)
        self._models = Models(spec, folder / "models")
        self._popularity = Popularity.after(live)
        members = len(live.world.members.joined)
        rng = np.random.default_rng(np.random.SeedSequence([seed, 6]))
        self.arm_of = rng.permutation(members) % len(arms)
        """The arm of every member: (members,), places in the arms."""
        self._shown: list[pd.DataFrame] = []

    def days(self, count: int, say: Say = print) -> pd.DataFrame:
        """Run the days; return one row per session: ``day``, ``member``, ``arm``, ``clicked``, ``probability``, and by
        arm and policy the true probability of a click on what it would have shown."""
        for day in range(count):
            path, started = self._folder / "days" / f"{day:03}.parquet", time.monotonic()
            if path.exists():
                self._shown.append(self._again(pd.read_parquet(path)))
                continue
            shown = self._day(day)
            with replaced_file(path) as draft:
                shown.to_parquet(draft, index=False)
            self._shown.append(shown)
            means = "  ".join(f"{name} {shown[name].mean():.4f}" for name in (*self._names(), "oracle"))
            say(f"{date_of(day)}  {len(shown):,} sessions  {means}  {time.monotonic() - started:.0f} s")
        return pd.concat(self._shown, ignore_index=True)

    def _names(self) -> list[str]:
        return [arm.name for arm in self._arms]

    def _again(self, shown: pd.DataFrame) -> pd.DataFrame:
        """Let the world know what was shown on a day that ran before."""
        for _, part in shown.groupby("time", sort=True):
            self._live.deliver(part["session"].to_numpy(), part["item"].to_numpy())
        self._popularity.add(*(shown[name].to_numpy() for name in ("item", "clicked", "settled")))
        return shown

    def _day(self, day: int) -> pd.DataFrame:
        night = self._night(day)
        choices = self._choices(day, night)
        sessions, rows = self._live.sessions, self._live.day(FIRST + day)
        times, parts = sessions.time[rows], []
        for moment in np.unique(times):
            now = rows[times == moment]
            parts.append(self._serve(now, {name: chosen[times == moment] for name, chosen in choices.items()}))
        return pd.concat(parts, ignore_index=True).assign(day=day)

    def _night(self, day: int) -> Night:
        """Tables, graph, and the models of the arms that are trained before this day."""
        due = dict.fromkeys(arm.kind for arm in self._arms if arm.training_day(day) == day)
        raw = self._tables.write(day, pd.concat(self._shown, ignore_index=True) if self._shown else pd.DataFrame())
        night = prepare(dated(self._spec, day, bool(due)), self._live, raw, self._folder / "night", day)
        for kind in due:
            self._models.train(kind, day, night)
        return night

    def _choices(self, day: int, night: Night) -> dict[str, np.ndarray]:
        """By arm, what it chooses in each session of the day: (sessions,). Ties go to the first candidate."""
        start, table, choices = self._spec.midnight(START), night.candidates, {}
        for arm in self._arms:
            scores = self._models.scores(arm.kind, arm.training_day(day), night)
            made = start + midnight(arm.vectors_day(day)) * SECOND
            chances = pd.Series(scores(made))
            best = chances.groupby(table["session"].to_numpy()).idxmax()
            choices[arm.name] = table["item"].to_numpy()[best.to_numpy()]
        return choices

    def _serve(self, rows: np.ndarray, choices: dict[str, np.ndarray]) -> pd.DataFrame:
        """Show the sessions ``rows``, all of one moment, what their members' arms have chosen."""
        live, sessions = self._live, self._live.sessions
        offered, probability = sessions.candidates[rows], live.probability(rows)
        arm = self.arm_of[sessions.member[rows]]
        item = np.choose(arm, list(choices.values()))
        popular = probabilities_of(offered, probability, item, self._popularity.scores(int(sessions.time[rows[0]])))
        done = live.deliver(rows, item)
        self._popularity.add(item, done.clicked, done.settled)
        values = {name: probability[np.arange(len(rows)), _place(offered, chosen)] for name, chosen in choices.items()}
        return pd.DataFrame(
            {
                "session": rows,
                "member": sessions.member[rows],
                "item": item,
                "surface": sessions.surface[rows],
                "time": sessions.time[rows],
                "settled": done.settled,
                "arm": arm,
                "clicked": done.clicked,
                "engaged": done.engaged,
                "probability": done.probability,
                **values,
                **{name: popular[name] for name in ("popularity", "random", "oracle")},
            }
        )


def _place(offered: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Where each chosen notification is among the candidates (n, c): (n,)."""
    there = offered == chosen[:, None]
    if not there.any(axis=1).all():
        raise ValueError(f"expected choices among the candidates, of which {NOBODY} is none; found others")
    return there.argmax(axis=1)
