"""Windows: dates, defaults and their order."""

from datetime import UTC, date, datetime

import pytest

from models.spec import Windows, parse_spec
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
