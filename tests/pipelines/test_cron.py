"""Fire times mean the same here and on a cluster, and what would not is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.cron import Cron, last_fire
from pipelines.errors import ScheduleError

NOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
"""A Wednesday."""


@pytest.mark.parametrize(
    ("text", "cluster"),
    [
        ("0 3 * * *", "0 0 3 * * *"),
        ("  0  3 * *  * ", "0 0 3 * * *"),
        ("*/20 8-10 * * *", "0 0,20,40 8,9,10 * * *"),
        ("5,3 0-23/12 1 jan,Jun *", "0 3,5 0,12 1 1,6 *"),
        ("0 3 * * 0", "0 0 3 * * sun"),
        ("0 3 * * 7", "0 0 3 * * sun"),
        ("0 3 * * 1-5", "0 0 3 * * mon,tue,wed,thu,fri"),
        ("0 3 * * mon-wed", "0 0 3 * * mon,tue,wed"),
        ("0 3 * * */2", "0 0 3 * * sun,tue,thu,sat"),
        ("0 3 29 2 *", "0 0 3 29 2 *"),
    ],
)
def test_a_crontab_for_a_cluster(text: str, cluster: str) -> None:
    assert Cron.parse(text).for_cluster == cluster


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "five fields .* found 0"),
        ("@daily", "found 1 in '@daily'"),
        ("0 0 3 * * *", "found 6"),
        ("60 * * * *", "for the minute .* from 0 to 59"),
        ("* 24 * * *", "for the hour"),
        ("* * 0 * *", "for the day of month"),
        ("* * * 13 *", "for the month"),
        ("* * * * 8", "for the day of week"),
        ("* * * * fri-mon", "for the day of week"),
        ("5/10 * * * *", "for the minute"),
        ("*/0 * * * *", "for the minute"),
        ("*/000 * * * *", "for the minute"),
        ("1,,2 * * * *", "for the minute"),
        ("-1 * * * *", "for the minute"),
        ("x * * * *", "for the minute"),
        ("* L * * *", "for the hour"),
        ("* * * foo *", "for the month"),
        ("² * * * *", "for the minute"),
        ("0 3 1 * 1", "found both in '0 3 1"),
        ("0 3 31 2,4 *", "found none in '0 3 31"),
    ],
)
def test_what_is_no_crontab_or_would_differ_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=f"--cron: expected .*{message}"):
        Cron.parse(text)


@pytest.mark.parametrize(
    ("text", "zone", "fires"),
    [
        ("0 3 * * 0", "UTC", datetime(2026, 3, 8, 3, tzinfo=UTC)),
        ("0 3 * * 3", "UTC", datetime(2026, 3, 11, 3, tzinfo=UTC)),
        ("0 3 * * *", "Asia/Tokyo", datetime(2026, 3, 4, 18, tzinfo=UTC)),
        ("*/5 * * * *", "UTC", datetime(2026, 3, 4, 12, 5, tzinfo=UTC)),
    ],
)
def test_a_trigger_fires_at_the_crontabs_times(text: str, zone: str, fires: datetime) -> None:
    assert Cron.parse(text).trigger(zone).get_next_fire_time(None, NOW) == fires


@pytest.mark.parametrize(
    ("text", "after", "found"),
    [
        ("* * * * *", timedelta(days=4000), timedelta(seconds=30)),
        ("* * * * *", timedelta(seconds=30), None),
        ("* * * * *", timedelta(seconds=31), timedelta(seconds=30)),
        ("0 3 * * *", timedelta(days=10), timedelta(hours=9, seconds=30)),
        ("0 3 * * *", timedelta(hours=9), None),
        ("0 3 1 1 *", timedelta(days=900), timedelta(days=62, hours=9, seconds=30)),
        ("0 3 29 2 *", timedelta(days=900), timedelta(days=734, hours=9, seconds=30)),
        ("0 3 * * *", timedelta(0), None),
        ("0 3 * * *", -timedelta(days=1), None),
    ],
)
def test_the_last_fire_time(text: str, after: timedelta, found: timedelta | None) -> None:
    expected = None if found is None else NOW - found
    assert last_fire(Cron.parse(text).trigger("UTC"), NOW - after, NOW) == expected
