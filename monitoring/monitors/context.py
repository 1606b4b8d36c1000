"""What every monitor is given, and the limits that it learns from quiet days."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache, cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from models.spec.monitoring import Monitoring
from monitoring.accepted import Accepted
from monitoring.days import DaySummary
from monitoring.verdict import Alarm, State

FEWEST_DAYS = 8
"""Quiet days from which on limits are learned: before, a monitor can only warn."""


@dataclass(frozen=True)
class Context:
    """The day to judge and the days before it."""

    newest: DaySummary
    earlier: tuple[DaySummary, ...]
    """All days before it without a data fault, oldest first."""
    quiet: tuple[DaySummary, ...]
    """Those of the last ``history_days`` whose verdict was healthy or watch; while there are fewer than 8, those that
    asked for a new calibration, too: all but that was well."""
    primary: str
    """The task that slates are ranked by."""
    surfaces: tuple[str, ...]
    """The surfaces of the spec."""
    features: tuple[str, ...]
    """The features of the spec."""
    roles: Mapping[str, str]
    """Version by role on the day: champion, canary, previous. Empty = unknown."""
    settings: Monitoring = field(default_factory=Monitoring)
    explores: bool = True
    """Whether the spec explores: only then has each candidate a propensity."""
    accepted: tuple[Accepted, ...] = ()
    """Data faults that were accepted within the last ``history_days``."""
    miscalibrated: tuple[str, ...] = ()
    """The quiet days that asked for a new calibration."""
    odd_hours: tuple[int, ...] = ()
    """Local hours that the day has twice or not at all, since its clocks are changed."""

    @property
    def learned(self) -> bool:
        """Whether there are enough quiet days to learn limits from."""
        return len(self.quiet) >= FEWEST_DAYS

    @cached_property
    def chance(self) -> float:
        """Probability at which one test may be wrong on a quiet day: Bonferroni over the tests of all monitors."""
        day = self.newest
        cells = len(day.predictions) * (2 + len(day.traffic["surfaces"]) + len(day.traffic["versions"]))
        tests = 30 + 4 * len(day.columns) + 2 * len(day.traffic["surfaces"]) + 6 * cells
        return 1 / (self.settings.false_alarm_days * tests)

    def champion(self) -> str:
        """The version that served most, where the roles name none."""
        return self.roles.get("champion") or largest_version(self.newest)

    def accepts(self, alarm: Alarm) -> bool:
        """Whether an alarm rests on an accepted change: it hides no other."""
        return any(one.concerns(alarm.cause, alarm.subject) for one in self.accepted)

    def since(self, day: str) -> "Context":
        """The same without the days before one (ISO-8601), and without the version's profile, which is older."""
        earlier, quiet = (tuple(one for one in days if one.day >= day) for days in (self.earlier, self.quiet))
        return replace(self, newest=replace(self.newest, profile={}), earlier=earlier, quiet=quiet)

    def of_champion(self) -> "Context":
        """The same without the quiet days on which another version served most."""
        champion = self.champion()
        return replace(self, quiet=tuple(day for day in self.quiet if largest_version(day) == champion))


def largest_version(day: DaySummary) -> str:
    """The version with most rows of the day; "" without any."""
    versions = day.traffic["versions"]
    return max(versions, key=lambda name: (versions[name], name), default="")


class Change(NamedTuple):
    """A day's figure against what quiet days lead to expect, in the figure's own unit."""

    value: float
    expected: float
    difference: float
    limit: float
    """What the difference of a quiet day exceeds with probability ``Context.chance``."""

    @property
    def up(self) -> bool:
        """Above the limit."""
        return self.difference > self.limit

    @property
    def down(self) -> bool:
        """Below minus the limit."""
        return self.difference < -self.limit


def change(
    context: Context, figure: Callable[[DaySummary], float | None], least: float, error: float = 0.0
) -> Change | None:
    """Compare a figure of the newest day with the quiet days' own.

    The expectation is a regression on weekday and trend (fewer than 21 quiet days: on weekend, or the mean), the limit
    Student's prediction interval at ``Context.chance``, both sides together, but at least ``least``: smaller changes do
    not matter, however significant. ``error``: standard error of the newest figure, where that may be larger than the
    quiet days' own. None without a figure, or with fewer than ``FEWEST_DAYS`` quiet days that have it.
    """
    value = figure(context.newest)
    days = [(day.day, figure(day)) for day in context.quiet]
    known = [(name, past) for name, past in days if past is not None and math.isfinite(past)]
    if value is None or not math.isfinite(value) or len(known) < FEWEST_DAYS:
        return None
    design = _design(tuple(name for name, _ in known), context.newest.day)
    past = np.array([past for _, past in known])
    beta = design.solve @ past
    residual = past - design.rows @ beta
    spread = max(math.sqrt(float(residual @ residual) / design.freedom), error)
    expected = float(design.now @ beta)
    limit = t_limit(context.chance, design.freedom) * spread * math.sqrt(1 + design.leverage)
    return Change(value, expected, value - expected, max(limit, least))


@cache
def t_limit(chance: float, freedom: int) -> float:
    """The number that Student's t exceeds, on either side, with this probability; a scalar."""
    from scipy.special import stdtrit

    return float(-stdtrit(freedom, chance / 2))


def log_of(value: float | None) -> float | None:
    """The logarithm; None for what has none."""
    return math.log(value) if value is not None and value > 0 else None


def root_of(share: float) -> float:
    """arcsin of the root of a share, whose noise does not depend on the share."""
    return math.asin(math.sqrt(min(max(share, 0.0), 1.0)))


def share_of(root: float) -> float:
    """The share with this ``root_of``."""
    return math.sin(min(max(root, 0.0), math.pi / 2)) ** 2


def grown_share(
    context: Context, share: Callable[[DaySummary], float | None], least: float
) -> tuple[float, float] | None:
    """A share of the rows and what was expected, if it is above its limit and by at least ``least`` larger.

    Before limits are learned the expectation is the mean of the quiet days, or 0, and the least growth one half.
    """

    def figure(day: DaySummary) -> float | None:
        found = share(day)
        return None if found is None else root_of(found)

    now = share(context.newest)
    if now is None:
        return None
    found = change(context, figure, 0.0)
    if found is None:
        past = [one for one in map(share, context.quiet) if one is not None]
        expected = sum(past) / len(past) if past else 0.0
        return (now, expected) if now - expected >= max(least, 0.5) else None
    expected = share_of(found.expected)
    return (now, expected) if found.up and now - expected >= least else None


def alarm(context: Context, cause: str, subject: str, text: str, state: State, **figures: float) -> Alarm:
    """An alarm of the layer that the cause names; a warning until limits are learned."""
    found = state if context.learned else State.WATCH
    return Alarm(
        cause.partition(".")[0], cause, subject, text, found, {name: float(one) for name, one in figures.items()}
    )


class _Design(NamedTuple):
    rows: np.ndarray
    """(days, parameters)."""
    solve: np.ndarray
    """(parameters, days): least squares."""
    now: np.ndarray
    """(parameters,): the newest day's row."""
    leverage: float
    freedom: int


@lru_cache(maxsize=256)
def _design(days: Sequence[str], newest: str) -> _Design:
    every = [date.fromisoformat(day).toordinal() for day in (*days, newest)]
    weekday = (np.array(every) + 6) % 7  # Monday = 0
    present = np.unique(weekday[:-1])
    columns: list[np.ndarray] = [np.ones(len(every))]
    if len(days) >= 21 and weekday[-1] in present:
        columns += [(weekday == one) * 1.0 for one in present[1:]]
        columns.append((np.array(every) - every[0]) / 28)
    elif len(days) >= 14 and 1 < (weekday[:-1] >= 5).sum() < len(days) - 1:
        columns.append((weekday >= 5) * 1.0)
    table = np.column_stack(columns)
    rows, now = table[:-1], table[-1]
    solve = np.linalg.pinv(rows)
    leverage = float(((now @ solve) ** 2).sum())
    return _Design(rows, solve, now, leverage, len(days) - table.shape[1])
