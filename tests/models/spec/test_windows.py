"""Windows: dates, defaults and their order."""

from datetime import UTC, date, datetime

import pytest

from models.spec import SpecError, Windows, parse_spec
from models.spec.windows import WINDOW_ORDER
from models.time_units import DAY, HOUR, microseconds
from tests.models.spec.small import changed, put


def test_the_default_windows() -> None:
    windows = Windows.model_validate({"start": date(2026, 1, 1)})
    assert [windows.window(name).days for name in WINDOW_ORDER] == [35, 14, 7, 3, 3]
    assert WINDOW_ORDER == ("graph", "train", "validate", "gate", "test")


def test_a_window_without_its_predecessor_follows_the_order() -> None:
    windows = parse_spec(changed(put("windows.train", {"days": 2}))).windows
    assert (windows.train.days, windows.train.after) == (2, None)
    assert parse_spec(changed(put("windows.train", {"days": 2, "after": "graph"}))).windows.train.after == "graph"


def test_a_span_begins_at_midnight_in_the_specs_time_zone() -> None:
    spec = parse_spec(changed(put("windows.graph", {"days": 2})))  # Asia/Shanghai, from 2026-01-01
    start = microseconds(datetime(2026, 1, 1, tzinfo=UTC)) - 8 * HOUR
    assert spec.span("graph") == (start, start + 2 * DAY)
    assert spec.span("train") == (start + 2 * DAY, start + 16 * DAY)
    with pytest.raises(KeyError, match="tomorrow"):
        spec.span("tomorrow")


def test_a_datetime_is_not_a_date() -> None:
    with pytest.raises(ValueError, match="expected a date such as 2026-01-31"):
        Windows.model_validate({"start": datetime(2026, 1, 1)})


@pytest.mark.parametrize(("end", "start"), [(date(2026, 3, 1), date(2026, 1, 1)), ("2026-03-01", date(2026, 1, 1))])
def test_an_end_gives_the_same_spans_as_the_start(end: object, start: date) -> None:
    """60 days: the last of the test window is the end, included."""
    lengths = {"graph": {"days": 33}}
    spec = parse_spec(changed(put("windows", {"end": end, **lengths})))
    same = parse_spec(changed(put("windows", {"start": start, **lengths})))
    assert spec.windows.days == 60
    assert [spec.span(name) for name in WINDOW_ORDER] == [same.span(name) for name in WINDOW_ORDER]
    assert spec.starting(spec.windows.first_day) == same
    assert spec.windows.dates == same.windows.dates == "2026-01-01 to 2026-03-01"


def test_the_latest_day_has_no_dates_before_ingest() -> None:
    spec = parse_spec(changed(put("windows", {"end": "latest"})))
    assert spec.windows.rolling
    assert spec.windows.dates == "latest"
    with pytest.raises(SpecError, match=r"windows\.end: expected dates .*found 'latest'"):
        spec.span("train")
    assert spec.starting(date(2026, 1, 1)).span("graph").start == spec.midnight(date(2026, 1, 1))


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ({}, "expected exactly one of start and end; found neither"),
        ({"start": "2026-01-01", "end": "latest"}, "expected exactly one of start and end; found both"),
        ({"end": "Latest"}, "expected latest or a date such as 2026-01-31; found 'Latest'"),
        ({"end": True}, "expected a date such as 2026-01-31"),
        ({"end": 20260131}, "expected a date such as 2026-01-31"),
        ({"end": "2000-01-31"}, "end: expected windows that start on 2000-01-01 or later; found 1999-12"),
    ],
)
def test_wrong_ends(windows: dict[str, object], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        parse_spec(changed(put("windows", windows)))
