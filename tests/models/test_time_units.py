"""Units of time."""

from datetime import UTC, datetime, timedelta

import pytest

from models.time_units import DAY, HOUR, SECOND, duration, iso, length, microseconds, moment


def test_units_agree_with_datetime() -> None:
    assert [duration(timedelta(seconds=1)), duration(timedelta(hours=1)), duration(timedelta(1))] == [SECOND, HOUR, DAY]


def test_a_moment_survives_the_round_trip_to_the_microsecond() -> None:
    for time in (0, 1, 1_700_000_000_123_457, -1, 253_402_300_799_999_999):
        assert microseconds(moment(time)) == time
    assert microseconds(datetime(1970, 1, 2, tzinfo=UTC)) == DAY
    assert iso(1) == "1970-01-01T00:00:00.000001+00:00"


def test_a_length_is_a_whole_number_with_a_unit() -> None:
    assert [length(text, 3) for text in ("90s", "2m", "6h", "3d")] == [90 * SECOND, 120 * SECOND, 6 * HOUR, 3 * DAY]
    assert length("0s", 3, zero=True) == 0


@pytest.mark.parametrize("text", ["", "0s", "d", "1", "1.5h", "-1h", "1 h", "1w", "4d", "73h", "٣d", "1h\n"])
def test_what_is_not_a_length_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most 3d; found"):
        length(text, 3)
