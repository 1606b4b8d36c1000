"""Ages and clocks from times: exact, the same in a batch and alone, missing where they would look into the future."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.spec import Spec
from models.time_features import UNKNOWN, derive_time_features
from models.time_units import DAY, HOUR, microseconds, moment
from tests.factories import specs

ZONE = "Europe/Berlin"
NOW = microseconds(datetime(2026, 3, 29, 0, 30, tzinfo=UTC))
"""Half an hour before clocks in Berlin go forward."""
TIMES = st.integers(microseconds(datetime(1970, 1, 1, tzinfo=UTC)), microseconds(datetime(2199, 12, 31, tzinfo=UTC)))
PUBLISHED = st.just(UNKNOWN) | st.integers(microseconds(datetime(1678, 1, 1, tzinfo=UTC)), 2**53)


def spec(**parts: Any) -> Spec:
    nodes = {
        "member": {"key": "member_id"},
        "item": {"key": "item_id", "views": {"content": {"table": "items", "features": {"published": "time"}}}},
    }
    timed = {"age": {"since": "published"}, "hour": {"clock": "hour"}, "weekday": {"clock": "weekday"}}
    return specs.spec_of(specs.document(**{"nodes": nodes, "timezone": ZONE, "time_features": timed, **parts}))


SPEC = spec()


def derive(times: list[int], published: list[int]) -> dict[str, np.ndarray]:
    return derive_time_features(SPEC, np.array(times, np.int64), {"published": np.array(published, np.int64)})


def test_an_age_is_the_logarithm_of_hours_and_never_negative() -> None:
    ages = derive([NOW] * 5, [NOW, NOW - HOUR, NOW - 3 * DAY, NOW + 1, UNKNOWN])["age"]
    expected = np.array([0, np.log1p(1), np.log1p(72), np.nan, np.nan], np.float32)
    assert ages.dtype == np.float32
    np.testing.assert_array_equal(ages, expected)


def test_the_clock_is_local_and_knows_of_daylight_saving_time() -> None:
    found = derive([NOW, NOW + HOUR, NOW + 24 * HOUR], [UNKNOWN] * 3)
    assert found["hour"].tolist() == ["1", "3", "2"]  # 02:30 does not exist on that day
    assert found["weekday"].tolist() == ["6", "6", "0"]


@given(st.lists(st.tuples(TIMES, PUBLISHED), min_size=1, max_size=40))
def test_a_row_alone_has_the_bits_of_a_row_among_others(rows: list[tuple[int, int]]) -> None:
    times, published = (list(column) for column in zip(*rows, strict=True))
    together = derive(times, published)
    for place, (time, since) in enumerate(rows):
        alone = derive([time], [since])
        assert alone["age"][0].tobytes() == together["age"][place].tobytes()
        assert np.isnan(alone["age"][0]) or alone["age"][0] >= 0
        local = moment(time).astimezone(ZoneInfo(ZONE))
        found = (alone["hour"][0], alone["weekday"][0])
        assert found == (together["hour"][place], together["weekday"][place])
        assert found == (str(local.hour), str(local.weekday()))


def test_one_time_serves_all_candidates() -> None:
    one, each = derive([NOW], [NOW - DAY, UNKNOWN, NOW]), derive([NOW] * 3, [NOW - DAY, UNKNOWN, NOW])
    np.testing.assert_array_equal(one["age"], each["age"])
    assert one["hour"].tolist() == ["1"]


def test_no_rows_and_no_features() -> None:
    assert {name: len(values) for name, values in derive([], []).items()} == {"age": 0, "hour": 0, "weekday": 0}
    assert (
        derive_time_features(
            spec(time_features={}, nodes={"member": {"key": "member_id"}, "item": {"key": "item_id"}}),
            np.array([NOW]),
            {},
        )
        == {}
    )


def test_a_time_that_is_not_given_is_an_error() -> None:
    with pytest.raises(KeyError):
        derive_time_features(SPEC, np.array([NOW]), {})
