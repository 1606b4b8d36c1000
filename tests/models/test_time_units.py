"""Units of time."""

from datetime import UTC, datetime, timedelta

from models.time_units import DAY, HOUR, SECOND, duration, iso, microseconds, moment


def test_units_agree_with_datetime() -> None:
    assert [duration(timedelta(seconds=1)), duration(timedelta(hours=1)), duration(timedelta(1))] == [SECOND, HOUR, DAY]


def test_a_moment_survives_the_round_trip_to_the_microsecond() -> None:
    for time in (0, 1, 1_700_000_000_123_457, -1, 253_402_300_799_999_999):
        assert microseconds(moment(time)) == time
    assert microseconds(datetime(1970, 1, 2, tzinfo=UTC)) == DAY
    assert iso(1) == "1970-01-01T00:00:00.000001+00:00"
