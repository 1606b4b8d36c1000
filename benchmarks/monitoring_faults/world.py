"""Served days of a simulated product: members, items, surfaces, versions, features, calibrated probabilities, outcomes.

Days differ by more than chance, as real ones do: a weekly pattern of surfaces, hours and features, random effects of
the day on every feature and on the rate of clicks, slow growth, new items and now and then a value never seen before.
"""

from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from models.spec import Spec, parse_spec
from models.time_units import DAY, HOUR, SECOND, microseconds, moment

FIRST = date(2026, 1, 5)
SURFACES, BASE = ("feed", "email", "notification"), np.array([-2.2, -2.7, -1.8])
VERSIONS = ("7", "8")
ATTRIBUTION = DAY
SLATE = 10
_MEMBERS, _ITEMS, _NEW_ITEMS = 6000, 1500, 20
_WEEKDAY_ROWS = np.array([1.06, 1.08, 1.08, 1.06, 1.04, 0.84, 0.84])
_WEEKEND = {"feed": 0.25, "email": -1.2, "notification": -0.2}
_WEEK_OF_FEATURE = np.array([0.0, 0.1, -0.05, 0.3, -0.2, 0.0, 0.15])
_NUMBERS = ("member_clicks_log", "member_rate", "item_rate", "hours_away_log", "seen_today", "item_age", "title_length")
_WEIGHTS = np.array([0.15, 0.5, 0.5, -0.2, -0.15, -0.2, 0.05])
_CATEGORIES = {"country": 12, "device": 4, "topic": 15, "seniority": 6, "language": 8}
_EFFECT, _RATE_EFFECT, _SURFACE_EFFECT = 0.04, 0.02, 0.012
"""Standard deviations of the day: on a feature (in its own), and on the log of the rate, in common and by surface."""
_SPEC = """
name: simulated
source: {adapter: professional}
nodes: {member: {key: member_id}, item: {key: item_id}}
edges:
  clicked:
    table: impressions
    source: {node: member, column: member_id}
    target: {node: item, column: item_id}
    time: settled_time
    kind: engagement
    domain: feed
impressions:
  member: {node: member, column: member_id}
  item: {node: item, column: item_id}
  surfaces: [feed, email, notification]
  context: {member_clicks_log: number, member_rate: number, item_rate: number, hours_away_log: number,
    seen_today: number, item_age: number, title_length: number, country: category, device: category, topic: category,
    seniority: category, language: category}
  outcomes: [clicked, engaged]
tasks:
  click: {label: clicked, primary: true, attribution: 24h}
  engage: {label: engaged, attribution: 24h}
windows:
  start: 2026-01-05
  graph: {days: 2}
  train: {days: 2, after: graph}
  validate: {days: 1, after: train}
  gate: {days: 1, after: validate}
  test: {days: 1, after: gate}
home_domain: feed
"""


def spec() -> Spec:
    """The product's spec."""
    return parse_spec(_SPEC, "simulated.yaml")


class Served(NamedTuple):
    """One day: joined rows after their outcomes have settled, and counts of log and join."""

    day: str
    table: pa.Table
    counts: dict[str, int]

    def replace(self, **columns: Any) -> "Served":
        """The day with other columns."""
        table = self.table
        for name, values in columns.items():
            column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
            table = table.set_column(table.column_names.index(name), name, column)
        return self._replace(table=table)


class World:
    """A product from its first day on. The same seed gives the same days."""

    def __init__(self, seed: int, rows: int = 20_000) -> None:
        self.seed, self.rows = seed, rows
        rng = np.random.default_rng([seed, 0])
        self.activity = rng.lognormal(0.0, 1.0, _MEMBERS)
        self.activity /= self.activity.sum()
        self.member_taste = rng.normal(0, 0.4, _MEMBERS)
        self.item_taste = rng.normal(0, 0.4, _ITEMS + 400 * _NEW_ITEMS)
        self.popularity = rng.lognormal(0.0, 1.2, len(self.item_taste))
        self.of_member = {name: rng.zipf(1.6, _MEMBERS) % size for name, size in _CATEGORIES.items()}
        self.topic = rng.zipf(1.5, len(self.item_taste)) % _CATEGORIES["topic"]

    def day(self, number: int) -> Served:
        """The served day with this number, from 0 on."""
        rng = np.random.default_rng([self.seed, 1, number])
        today = FIRST + timedelta(days=number)
        weekend = today.weekday() >= 5
        size = self.rows * _WEEKDAY_ROWS[today.weekday()] * np.exp(rng.normal(0, 0.04) + 0.001 * number)
        slates = max(int(size) // SLATE, 1)
        place = np.array([0.55, 0.25, 0.2]) * np.exp([_WEEKEND[name] * weekend for name in SURFACES])
        surface = rng.choice(3, slates, p=_mixed(place, rng, 0.06))
        member = rng.choice(_MEMBERS, slates, p=self.activity)
        version = (rng.random(slates) < 0.1).astype(np.int64)
        begin = microseconds(_midnight(today))
        served = begin + (_hours(rng, slates, weekend) * HOUR).astype(np.int64)
        chosen = {"surface": surface, "member": member, "version": version, "served": served}
        wide = {name: np.repeat(values, SLATE) for name, values in chosen.items()}
        return self._rows(rng, number, wide, _of_slate(rng, slates))

    def _rows(
        self, rng: np.random.Generator, number: int, wide: dict[str, np.ndarray], once: dict[str, np.ndarray]
    ) -> Served:
        rows, today = len(wide["member"]), FIRST + timedelta(days=number)
        first = _NEW_ITEMS * number
        catalogue = self.popularity[first : first + _ITEMS]
        item = first + rng.choice(_ITEMS, rows, p=catalogue / catalogue.sum())
        numbers = self._numbers(rng, number, wide["member"], item)
        score = numbers @ _WEIGHTS + self.member_taste[wide["member"]] + self.item_taste[item]
        logit = BASE[wide["surface"]] + score - 0.35 + 0.1 * wide["version"] * rng.normal(0, 1, rows)
        click = 1 / (1 + np.exp(-logit))
        engage = click * 0.3 / (1 + np.exp(-self.item_taste[item]))
        effect = np.exp(rng.normal(0, _RATE_EFFECT) + rng.normal(0, _SURFACE_EFFECT, 3))[wide["surface"]]
        clicked = rng.random(rows) < click * effect
        engaged = rng.random(rows) < engage * effect
        shift = rng.normal(0, 0.08) + 0.2 * (today.weekday() >= 5)
        delay = {task: _delays(rng, rows, shift) for task in ("click", "engage")}
        table = {
            **_keys(wide, item, number, once),
            **{name: numbers[:, column] for column, name in enumerate(_NUMBERS)},
            **self._categories(rng, number, wide["member"], item),
        }
        fallback = table["fallback"]
        late = outcomes = 0
        for task, happened, probability in (("click", clicked, click), ("engage", engaged, engage)):
            inside = happened & (delay[task] <= ATTRIBUTION)
            table[f"probability_{task}"] = np.where(fallback, 0.1, probability)
            table[f"label_{task}"] = inside.astype(np.float64)
            time = wide["served"] + delay[task]
            table[f"happened_{task}"] = pa.array(time, mask=~happened)
            late, outcomes = late + int((happened & ~inside).sum()), outcomes + int(happened.sum())
        arrays = {name: _column(name, values, fallback) for name, values in table.items()}
        return Served(today.isoformat(), pa.table(arrays), _counts(rng, rows, outcomes, late))

    def _numbers(self, rng: np.random.Generator, number: int, member: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Seven numbers of mean about 0 and deviation about 1; the first grows slowly."""
        drawn = rng.normal(0, 1, (len(member), len(_NUMBERS)))
        drawn[:, 1] = 0.8 * self.member_taste[member] / 0.4 + 0.6 * drawn[:, 1]
        drawn[:, 2] = 0.8 * self.item_taste[item] / 0.4 + 0.6 * drawn[:, 2]
        drawn[:, 3] = np.log1p(np.exp(1.5 * drawn[:, 3])) - 1
        drawn[:, 4] = np.floor(np.maximum(drawn[:, 4] + 1, 0))
        weekend = (FIRST + timedelta(days=number)).weekday() >= 5
        effects = rng.normal(0, _EFFECT, len(_NUMBERS)) + _WEEK_OF_FEATURE * weekend
        effects[0] += 0.003 * number
        effects[4] = 0
        return np.asarray(drawn + effects)

    def _categories(
        self, rng: np.random.Generator, number: int, member: np.ndarray, item: np.ndarray
    ) -> dict[str, np.ndarray]:
        found = {}
        for name, size in _CATEGORIES.items():
            codes = self.topic[item] if name == "topic" else self.of_member[name][member]
            names = np.array([f"{name}_{code}" for code in range(size)], dtype=object)
            share = abs(rng.normal(0, 0.03))  # of the rows, one value takes more today
            codes = np.where(rng.random(len(codes)) < share, rng.integers(size), codes)
            found[name] = names[codes]
        rare = rng.random(len(item)) < 0.0005  # a long tail, and sometimes a value never seen before
        found["topic"][rare] = [f"rare_{code}" for code in rng.integers(0, 40 + number, rare.sum())]
        return found


def _of_slate(rng: np.random.Generator, slates: int) -> dict[str, np.ndarray]:
    return {
        "fallback": rng.random(slates) < 0.003 * np.exp(rng.normal(0, 0.3)),
        "stale": rng.random(slates) < 0.02 * np.exp(rng.normal(0, 0.3)),
        "latency": rng.lognormal(np.log(0.02) + rng.normal(0, 0.05), 0.4, slates),
        "member_cold": rng.random(slates) < 0.03 * np.exp(rng.normal(0, 0.1)),
    }


def _keys(wide: dict[str, np.ndarray], item: np.ndarray, number: int, once: dict[str, np.ndarray]) -> dict[str, Any]:
    rows = len(item)
    slate = np.arange(rows) // SLATE + number * 1_000_000
    of_slate = {name: np.repeat(values, SLATE) for name, values in once.items()}
    return {
        "served": wide["served"],
        "slate": pa.array(slate).cast(pa.string()),
        "impression": pa.array(slate * SLATE + np.arange(rows) % SLATE).cast(pa.string()),
        "member": wide["member"],
        "item": item,
        "surface": np.array(SURFACES, dtype=object)[wide["surface"]],
        "model_version": np.array(VERSIONS, dtype=object)[wide["version"]],
        "position": np.arange(rows) % SLATE,
        "item_cold": item >= _NEW_ITEMS * number + _ITEMS - 3 * _NEW_ITEMS,
        "stale": np.where(of_slate["stale"], "vectors", ""),
        "as_of": wide["served"] - 5 * SECOND,
        **{name: of_slate[name] for name in ("fallback", "latency", "member_cold")},
    }


def _column(name: str, values: Any, fallback: np.ndarray) -> pa.Array:
    features = name in _NUMBERS or name in _CATEGORIES
    return values if isinstance(values, pa.Array) else pa.array(values, mask=fallback if features else None)


def _delays(rng: np.random.Generator, rows: int, shift: float) -> np.ndarray:
    return np.asarray((rng.lognormal(np.log(0.3) + shift, 1.4, rows) * HOUR).astype(np.int64))


def _counts(rng: np.random.Generator, rows: int, outcomes: int, late: int) -> dict[str, int]:
    duplicate = int(rng.poisson(0.003 * outcomes * rng.lognormal(0, 0.3)))
    orphan = int(rng.poisson(0.002 * outcomes))
    total = outcomes + duplicate + orphan
    counts = {"served": rows, "outcomes": total, "matched": outcomes, "settled": rows, "pending": 0, "orphan": orphan}
    return {
        **counts,
        "duplicate": duplicate,
        "late": late,
        "skewed": int(rng.poisson(0.3)),
        "torn": int(rng.poisson(0.5)),
    }


def _mixed(shares: np.ndarray, rng: np.random.Generator, effect: float) -> np.ndarray:
    found = shares * np.exp(rng.normal(0, effect, len(shares)))
    return np.asarray(found / found.sum())


def _hours(rng: np.random.Generator, slates: int, weekend: bool) -> np.ndarray:
    hour = np.arange(24)
    busy = np.exp(np.sin((hour - (9 if weekend else 7)) / 24 * 2 * np.pi) * 1.5)
    return np.asarray(rng.choice(hour, slates, p=_mixed(busy, rng, 0.05)) + rng.random(slates))


def _midnight(day: date) -> Any:
    return moment((day - date(1970, 1, 1)).days * DAY)
