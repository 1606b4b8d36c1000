"""Hours are local ones, also on days on which the clocks are changed, and those days are no odd ones."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from models.spec import Spec
from models.time_units import HOUR, microseconds
from monitoring.days import DaySummary, summarize
from monitoring.days.hours import local_hours, odd_hours
from monitoring.monitors.judge import context_of
from monitoring.monitors.traffic import traffic
from tests.factories.specs import document, spec_of
from tests.monitoring.monitors.history import SPEC, days

SPRING, AUTUMN = "2026-03-29", "2026-10-25"
BERLIN = spec_of(document(timezone="Europe/Berlin"))


def served(day: str, spec: Spec = BERLIN) -> np.ndarray:
    """A time in the middle of each hour of the day."""
    first = date.fromisoformat(day)
    return np.arange(spec.midnight(first), spec.midnight(first + timedelta(days=1)), HOUR) + HOUR // 2


@pytest.mark.parametrize(("day", "odd"), [("2026-03-28", {}), (SPRING, {2: 0}), (AUTUMN, {2: 2})])
def test_hours_of_a_summary_are_those_of_the_clock(day: str, odd: dict[int, int]) -> None:
    expected = [odd.get(hour, 1) for hour in range(24)]
    times = served(day)
    table = pa.table({"served": times, "label_click": np.ones(len(times)), "surface": ["feed"] * len(times)})
    found = summarize(BERLIN, table, day, {})
    assert found.traffic["hours"] == expected
    assert found.labels["click"]["all"]["hours"] == [expected, expected]
    assert odd_hours(BERLIN, day) == tuple(odd)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Havana", "UTC"])
def test_every_hour_of_a_year_is_that_of_the_clock(zone: str) -> None:
    spec = spec_of(document(timezone=zone))
    for day in (date(2026, 1, 1) + timedelta(days=number) for number in range(365)):
        times = served(day.isoformat(), spec)
        local = [datetime.fromtimestamp(time / 1e6, ZoneInfo(zone)).hour for time in times.tolist()]
        assert local_hours(times, spec.midnight(day), spec.zone).tolist() == local


def test_times_of_other_days_have_an_hour_too() -> None:
    begin = microseconds(datetime.fromisoformat("2026-03-29T00:00:00+01:00"))
    far = np.array([np.iinfo(np.int64).min // 2, begin - HOUR, begin + 30 * HOUR, np.iinfo(np.int64).max // 2])
    found = local_hours(far, begin, BERLIN.zone)
    assert found[1:3].tolist() == [23, 7]
    assert ((found >= 0) & (found < 24)).all()


def with_hours(day: DaySummary, name: str, hours: Iterable[int]) -> DaySummary:
    return replace(day, day=name, traffic={**day.traffic, "hours": [day.rows * one // 100 for one in hours]})


@pytest.mark.parametrize(("newest", "times"), [(SPRING, 0), (AUTUMN, 2), ("2026-06-06", 0), ("2026-06-06", 3)])
def test_days_on_which_clocks_are_changed_are_not_odd(newest: str, times: int) -> None:
    spec, first = SPEC.model_copy(update={"timezone": "Europe/Berlin"}), date.fromisoformat(newest)
    names = [(first - timedelta(days=back)).isoformat() for back in range(28, -1, -1)]
    usual = [1] * 24
    usual[2] = usual[12] = 39
    known = [with_hours(day, name, usual) for day, name in zip(days(), names, strict=True)]
    now = [count * times if hour == 2 else count for hour, count in enumerate(usual)]
    today = with_hours(known[-1], newest, now)
    found = traffic(context_of(spec, today, known[:-1], (), {"champion": "8"}))
    assert ("traffic.hours" in {one.cause for one in found}) == (newest not in (SPRING, AUTUMN))
