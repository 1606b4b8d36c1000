"""The newest settled day of the data, and the windows that end there."""

import logging
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feature_repo.sources.errors import SourceError
from feature_repo.sources.windows import described, resolved, spec_of
from models import clock
from models.spec import Spec, SpecError
from models.time_units import DAY, HOUR, SECOND, microseconds
from tests.factories import specs

FIRST = date(2026, 1, 1)
DAYS = 10


def spec(zone: str = "UTC", end: object = "latest", **task: object) -> Spec:
    windows = {**specs.windows(), "start": None, "end": end}  # 7 days
    tasks = {"click": {"label": "click", "primary": True, **task}}
    return specs.spec_of(specs.document(windows=windows, timezone=zone, tasks=tasks))


def shown(of: Spec, days: int = DAYS, pause: int = HOUR, seed: int = 0) -> np.ndarray:
    """Impressions on consecutive days, 20 a day at random, one of them within ``pause`` of midnight."""
    random = np.random.default_rng(seed)
    times = []
    for number in range(days):
        midnight, after = (of.midnight(FIRST + timedelta(days=number + more)) for more in (0, 1))
        times += [*random.integers(midnight, after - pause, 20), after - random.integers(1, pause)]
    return random.permutation(np.array(times))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_the_windows_end_with_the_newest_whole_day(zone: str) -> None:
    of = spec(zone)
    found = resolved(of, shown(of))
    assert found.windows.start == date(2026, 1, 4)
    assert found.windows.end is None
    assert found.span("test").end == of.midnight(date(2026, 1, 11))


@given(hour=st.integers(1, 20), days=st.integers(8, 14), seed=st.integers(0, 50))
def test_a_day_in_which_the_data_ends_is_left_out(hour: int, days: int, seed: int) -> None:
    of = spec()
    times = shown(of, days, seed=seed)
    cut = times[times < of.midnight(FIRST + timedelta(days=days - 1)) + hour * HOUR]
    assert resolved(of, cut).windows.first_day == FIRST + timedelta(days=days - 8)
    assert resolved(of, times).windows.first_day == FIRST + timedelta(days=days - 7)


def test_a_day_that_is_not_over_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    of = spec()
    midnight = of.midnight(FIRST + timedelta(days=DAYS))
    for now, start in ((midnight - 1, date(2026, 1, 3)), (midnight, date(2026, 1, 4))):
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        assert resolved(of, shown(of)).windows.start == start


def test_one_outage_before_does_not_make_a_cut_day_whole() -> None:
    of = spec()
    times = shown(of, 14)
    outage = of.midnight(date(2026, 1, 9)) + 11 * HOUR
    times = times[(times < outage) | (times >= outage + 13 * HOUR)]
    cut = times[times < of.midnight(date(2026, 1, 14)) + 6 * HOUR]
    assert resolved(of, cut).windows.start == date(2026, 1, 7)


def test_an_impression_from_a_clock_that_is_ahead_does_not_end_today(monkeypatch: pytest.MonkeyPatch) -> None:
    of = spec()
    midnight = of.midnight(FIRST + timedelta(days=DAYS))
    monkeypatch.setattr(clock, "now", lambda: midnight - 300 * SECOND)
    times = np.append(shown(of), midnight + 120 * SECOND)
    assert resolved(of, times).windows.start == date(2026, 1, 3)
    monkeypatch.setenv(clock.VARIABLE, "400d")  # a replay of days that are to come
    assert resolved(of, times).windows.start == date(2026, 1, 4)


@pytest.mark.parametrize("zone", ["America/Edmonton", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe"])
def test_days_and_midnights_are_of_one_source(zone: str) -> None:
    of = spec(zone)
    assert resolved(of, shown(of, 320)).windows.start == FIRST + timedelta(days=313)


@pytest.mark.parametrize("factor", [1e-6, 1e3, -1])
def test_times_in_another_unit_are_named(factor: float) -> None:
    of = spec()
    with pytest.raises(SourceError, match=r"column time: expected times from .* Check the unit of the times"):
        resolved(of, (shown(of) * factor).astype(np.int64))


def test_a_daily_batch_in_the_morning_is_a_whole_day() -> None:
    of = spec()
    times = np.array([of.midnight(FIRST + timedelta(days=number)) + 9 * HOUR for number in range(DAYS)])
    assert resolved(of, times).windows.start == date(2026, 1, 4)


@pytest.mark.parametrize(("attribution", "start"), [("1s", 3), ("24h", 3), ("25h", 2), ("2d", 2), ("3d", 1)])
def test_outcomes_may_still_come(attribution: str, start: int) -> None:
    of = spec(attribution=attribution)
    assert resolved(of, shown(of)).windows.start == date(2026, 1, start)


@pytest.mark.parametrize("extra", ["bounds", "ties", "far later"])
def test_edges_of_days(extra: str) -> None:
    of = spec()
    times = shown(of)
    more = {
        "bounds": [of.midnight(FIRST), of.midnight(FIRST + timedelta(days=DAYS)) - 1],
        "ties": [times.max()] * 50,
        "far later": [of.midnight(FIRST + timedelta(days=DAYS + 100))],  # one stray row: no whole day
    }[extra]
    assert resolved(of, np.concatenate([times, more])).windows.start == date(2026, 1, 4)


def test_a_day_begins_at_the_zones_midnight_when_the_clocks_change() -> None:
    of = spec("America/New_York")
    day = date(2026, 3, 8)  # 23 hours long
    times = np.array([of.midnight(day - timedelta(days=8 - number)) + 23 * HOUR + 1800 * SECOND for number in range(8)])
    assert resolved(of, np.append(times, of.midnight(day + timedelta(days=1)) - 1)).span("test").end == microseconds(
        datetime(2026, 3, 9, 4, tzinfo=UTC)
    )


def test_days_without_impressions_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    of = spec()
    times = shown(of)
    gap = of.midnight(date(2026, 1, 5))
    with caplog.at_level(logging.WARNING):
        found = resolved(of, times[(times < gap) | (times >= gap + DAY)])
    assert found.windows.start == date(2026, 1, 4)
    assert "days of the windows without impressions: 2026-01-05" in caplog.text


def test_a_window_without_impressions_is_an_error() -> None:
    of = spec()
    times = shown(of)
    gap = of.midnight(date(2026, 1, 9))
    with pytest.raises(SourceError, match=r"found none in gate \(2026-01-09 to 2026-01-09\). Bring the missing days"):
        resolved(of, times[(times < gap) | (times >= gap + DAY)])


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "expected impressions for windows.end: latest; found none"), (1, "expected a day with impressions"),
     (6, r"expected impressions from 2025-12-31 on \(7 days up to 2026-01-06\); found the first on 2026-01-01")],
)  # fmt: skip
def test_too_little_data(days: int, words: str) -> None:
    of = spec(attribution="1d") if days == 1 else spec()
    times = shown(of, days) if days else np.empty(0, np.int64)
    with pytest.raises(SourceError, match=words):
        resolved(of, times)


def test_fixed_dates_need_no_data() -> None:
    nothing = np.empty(0, np.int64)
    given = resolved(spec(end=date(2026, 1, 10)), nothing)
    assert given == resolved(given, nothing)
    assert given.windows.start == date(2026, 1, 4)


def test_a_manifest_has_the_dates() -> None:
    of = spec()
    dated = resolved(of, shown(of))
    manifest = {"windows": described(dated)}
    assert manifest["windows"]["start"] == "2026-01-04"
    assert manifest["windows"]["end"] == "2026-01-10"
    assert manifest["windows"]["windows"]["test"] == ["2026-01-10T00:00:00+00:00", "2026-01-11T00:00:00+00:00"]
    assert spec_of(of, manifest) == dated
    with pytest.raises(SpecError, match=r"windows\.end: expected dates"):
        spec_of(of, {})
