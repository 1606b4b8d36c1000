"""A product with every kind of counter, and its counters counted by hand."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from models.counters.hashing import hash_of
from models.counters.plan import PANES, CounterPlan, RatePlan
from models.spec import Spec
from models.spec.counter_plans import counter_plan
from tests.factories import specs

MINUTE = 60_000_000
MEMBER, POST = ("member", "member"), ("post", "post")
_CONTENT = {"table": "posts", "created": "written", "ttl_days": 1, "features": {"topic": "category"}}
DOCUMENT = specs.document(
    name="counted",
    source={"adapter": "fake"},
    nodes={
        "member": {"key": "member_id"},
        "post": {"key": "post_key", "key_type": "string", "views": {"content": _CONTENT}},
    },
    edges={"clicked": specs.edge("impressions", MEMBER, POST, filter={"click": [1]})},
    impressions=specs.impressions(MEMBER, POST, surfaces=["feed", "mail"], outcomes=["click", "percent"]),
    tasks={
        "click": {"label": "click", "primary": True},
        "mail": {"label": "click", "filter": {"surface": ["mail"]}},
    },
    measures={"share": {"column": "percent", "scale": 4}},
    counters={
        "plain": {"keys": ["member"], "smoothing": 3},
        "by_surface": {
            **{"keys": ["item", "surface"], "filter": {"surface": ["feed"]}},
            **{"rates": ["click"], "recency": True, "last": 2, "last_exposures": 2, "compare": ["topic"]},
        },
        "recent": {
            **{"keys": ["member"], "window": "16m", "last": 3, "recency": True},
            **{"last_exposures": 3, "compare": ["item", "surface"]},
        },
        "lately": {"keys": ["surface"], "window": "48m", "rates": []},
        "shown": {"keys": ["topic"], "rates": [], "last_exposures": 1, "compare": ["item"]},
        "by_topic": {"keys": ["member", "topic"], "rates": ["share", "mail"], "residual": True},
        "beyond": {"keys": ["member"], "window": "48m", "smoothing": 2, "residual": True},
    },
    residuals={"delay": "10m", "smoothing": 2, "within_days": 1},
)


def product(**counters: dict[str, Any]) -> Spec:
    """The product's spec, with these counters in place of its own where there are some."""
    return specs.spec_of({**DOCUMENT, "counters": counters} if counters else DOCUMENT)


class Impression(NamedTuple):
    """One row of the impressions; ``topic`` is the post's as of just before it was shown."""

    impression_id: int
    time: int
    settled_time: int
    member: int
    post: str
    surface: str
    click: int
    percent: int
    topic: str | None


OWN = {"post_key": "a", "surface": "feed", "topic": "x"}
"""What a row holds of the values that counters compare."""


def own(rows: int) -> dict[str, np.ndarray]:
    """The same for several rows: (rows,) each."""
    return {name: np.full(rows, value, object) for name, value in OWN.items()}


def by_hand(
    spec: Spec, name: str, rows: Sequence[Impression], key: tuple, at: int, held: Mapping[str, object] = OWN
) -> dict[str, float]:
    """The counter's features of a key as of a moment, for a row that holds these values, counted one row at a time."""
    plan = counter_plan(spec, name)
    own = [row for row in rows if _keeps(plan, row) and tuple(getattr(row, c) for c in plan.columns) == key]
    shown = [row for row in own if row.time < at and _inside(plan, row.time, at)]
    settled = [row for row in own if row.settled_time < at and _inside(plan, row.settled_time, at)]
    features: dict[str, float] = {f"{name}_exposures": len(shown)}
    if plan.recency:
        times = [row.time for row in own if row.time < at]
        features[f"{name}_recency"] = np.log1p((at - max(times)) / 1e6) if times else np.nan
    for rate in plan.rates:
        everywhere = [_value(rate, row) for row in rows if row.settled_time < at and _defined(rate, row)]
        mine = [_value(rate, row) for row in settled if _defined(rate, row)]
        prior = sum(everywhere) / len(everywhere) if everywhere else np.nan
        features[f"{name}_{rate.name}_rate"] = (sum(mine) + plan.smoothing * prior) / (len(mine) + plan.smoothing)
    for rate in plan.rates if plan.residual else ():
        pairs = [(_value(rate, row), expected_outcome(spec, rate, rows, row)) for row in settled if _defined(rate, row)]
        booked = [int(value * 1_000_000) - expected for value, expected in pairs if expected is not None]
        features[f"{name}_{rate.name}_mean_residual"] = sum(booked) / 1e6 / (len(booked) + plan.smoothing)
    past = sorted((row.settled_time, row.impression_id, row) for row in own if row.settled_time < at)
    for rate in plan.rates:
        for place in range(1, plan.last + 1):
            row = past[-place][2] if place <= len(past) else None
            there = row is not None and _defined(rate, row)
            features[f"{name}_last{place}_{rate.name}"] = _value(rate, row) if row is not None and there else np.nan
    return features | last_exposures(plan, own, at, at, held)


def last_exposures(
    plan: CounterPlan, own: Sequence[Impression], at: int, before: int, held: Mapping[str, object]
) -> dict[str, float]:
    """Each of the last exposures, with outcomes that settled before a moment: of equal times the larger hash is later.

    ``own``: the key's impressions; ``held``: what the row holds.
    """
    past = sorted((row.time, hash_of(row.impression_id), row) for row in own if row.time < at)
    features: dict[str, float] = {}
    for place in range(1, plan.last_exposures + 1):
        row, name = past[-place][2] if place <= len(past) else None, f"{plan.name}_exposure{place}"
        features[f"{name}_gap"] = np.log1p((at - row.time) / 1e6) if row else np.nan
        if plan.rates:
            features[f"{name}_pending"] = float(row.settled_time >= before) if row else np.nan
        for one in plan.compared:
            value = getattr(row, one.column) if row else None
            features[f"{name}_same_{one.name}"] = np.nan if value is None else float(value == held[one.key])
        for rate in plan.rates:
            there = row is not None and row.settled_time < before and _defined(rate, row)
            features[f"{name}_outcome_{rate.name}"] = _value(rate, row) if row is not None and there else np.nan
    return features


def expected_outcome(spec: Spec, rate: RatePlan, rows: Sequence[Impression], row: Impression) -> int | None:
    """What item and surface explain of a row's outcome, in millionths; days are those of UTC."""
    day, given = 1440 * MINUTE, spec.residuals
    cut = (row.time - 1 - given.delay_span) // day * day
    seen = [other for other in rows if other.settled_time < cut and _defined(rate, other)]
    if not seen or row.settled_time - row.time > given.within_days * day:
        return None
    overall = sum(getattr(other, rate.column) for other in seen) * 1_000_000 // (rate.scale * len(seen))
    total = -overall
    for column in ("post", "surface"):
        own = [getattr(other, rate.column) for other in seen if getattr(other, column) == getattr(row, column)]
        pseudo = given.smoothing * rate.scale * overall
        total += (sum(own) * 1_000_000 + pseudo) // (rate.scale * (len(own) + given.smoothing))
    return min(max(total, 0), 1_000_000)


def _keeps(plan: CounterPlan, row: Impression) -> bool:
    return all(getattr(row, column) in values for column, values in plan.filter.items())


def _defined(rate: RatePlan, row: Impression) -> bool:
    return all(getattr(row, column) in values for column, values in rate.filter.items())


def _value(rate: RatePlan, row: Impression) -> float:
    return getattr(row, rate.column) / rate.scale


def _inside(plan: CounterPlan, moment: int, at: int) -> bool:
    """Windows reach back to the start of the pane in which they would begin a whole window ago, exclusive."""
    if plan.window is None:
        return True
    pane = plan.window // PANES
    return moment // pane > (at - plan.window) // pane
