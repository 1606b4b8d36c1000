"""The bounds of single keys: the last value that is accepted, and the first that is not."""

from typing import Any

import pytest

from models.spec import parse_spec
from tests.models.spec.small import changed, check_mistake, put
from tests.models.spec.test_derived import derived

BOUNDS = [
    # key, least, below it, most, above it (None = no such bound)
    ("nodes.member.id_buckets", 0, -1, None, None),
    ("edges.clicked.window_days", 1, 0, 3660, 3661),
    ("windows.train", {"days": 1}, {"days": 0}, {"days": 3660}, {"days": 3661}),
    ("windows.start", "2000-01-01", "1999-12-31", "2199-12-31", "2200-01-01"),
    ("nodes.member.views.profile.ttl_days", 1, 0, 3660, 3661),
    ("nodes.member.views.profile.fresh_within_days", 0.1, 0, 3660, 3660.5),
    ("counters.by_post.smoothing", 0.001, 0, None, None),
    ("counters.by_post.last", 0, -1, 20, 21),
    ("counters.by_post.window", "1s", "0s", "3660d", "3661d"),
    ("counters.by_post.window", "1m", "", "87840h", "87841h"),
    ("counters.by_post.keys", ["item"], [], ["item", "surface"], ["item", "surface", "member"]),
    ("measures", {"long": {"column": "seconds", "scale": 1}}, {"long": {"column": "seconds", "scale": 0}}, None, None),
    ("tasks.click.weight", 0.001, 0, None, None),
    ("gate", {"margin": 0}, {"margin": -0.001}, {"margin": 0.499}, {"margin": 0.5}),
    ("gate", {"floor_margin": 0}, {"floor_margin": -0.1}, {"floor_margin": 0.499}, {"floor_margin": 0.5}),
    ("gate", {"other_margin": 0}, {"other_margin": -0.1}, {"other_margin": 0.499}, {"other_margin": 0.5}),
    ("gate", {"confidence": 0.501}, {"confidence": 0.5}, {"confidence": 0.999}, {"confidence": 1.0}),
    ("gate", {"bootstraps": 50}, {"bootstraps": 49}, {"bootstraps": 10_000}, {"bootstraps": 10_001}),
    ("gate", {"best_of": 1}, {"best_of": 0}, {"best_of": 20}, {"best_of": 21}),
    ("gate", {"ece": 0.001}, {"ece": 0}, {"ece": 1}, {"ece": 1.001}),
    ("gate", {"mean_ratio": [1e-3, 1]}, {"mean_ratio": [9e-4, 1]}, {"mean_ratio": [1, 1e3]}, {"mean_ratio": [1, 2e3]}),
    ("gate", {"surface_ratio": [1, 1]}, {"surface_ratio": [1]}, {"surface_ratio": [1, 2]}, {"surface_ratio": [1] * 3}),
    ("serving", {"seen_discount": {"factor": 0.01}}, {"seen_discount": {"factor": 0}}, None, None),
    ("serving", {"seen_discount": {"factor": 0.99}}, {"seen_discount": {"factor": 1.0}}, None, None),
]  # fmt: skip
DERIVED = [
    ("affinities.fan.fan_out", [0, 0], [0, -1], [200, 200], [200, 201]),
    ("affinities.fan.at_least", 1, 0, None, None),
    ("affinities.fan.within_days", 1, 0, 3660, 3661),
    ("densification.alike.neighbours", 1, 0, 1000, 1001),
    ("densification.alike.low_percentile", 0, -1, 89.9, 90),
    ("densification.alike.high_percentile", 30.1, -1, 100, 101),
    ("pageranks.near.fan_out", 1, 0, 200, 201),
    ("pageranks.near.restart", 0.01, 0, 0.99, 1.0),
    ("pageranks.near.walks", 1, 0, 10_000, 10_001),
    ("pageranks.near.steps", 1, 0, 20, 21),
    ("pageranks.near.epsilon", 1e-9, 0, 0.99, 1.0),
]
CASES = [*((put, *case) for case in BOUNDS), *((derived, *case) for case in DERIVED)]


@pytest.mark.parametrize(
    ("change", "key", "least", "below", "most", "above"),
    CASES,
    ids=lambda value: getattr(value, "__name__", str(value)[:40]),
)
def test_a_bound(change: Any, key: str, least: Any, below: Any, most: Any, above: Any) -> None:
    parse_spec(changed(change(key, least)))
    check_mistake(change(key, below), key, "", "")
    if most is not None:
        parse_spec(changed(change(key, most)))
        check_mistake(change(key, above), key, "", "")


def test_a_measures_scale_is_a_32_bit_number() -> None:
    parse_spec(changed(put("measures", {"long": {"column": "seconds", "scale": 2**31}})))
    check_mistake(put("measures", {"long": {"column": "seconds", "scale": 2**31 + 1}}), "long.scale", "2147483648", "")
