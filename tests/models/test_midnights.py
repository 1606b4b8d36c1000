"""Local midnights, also where clocks go forward."""

from datetime import datetime
from zoneinfo import ZoneInfo

from models.midnights import midnights
from models.time_units import DAY, HOUR, microseconds


def berlin(day: int, hour: int = 0) -> int:
    return microseconds(datetime(2026, 3, day, hour, tzinfo=ZoneInfo("Europe/Berlin")))


def test_from_the_last_before_to_the_last_before() -> None:
    found = midnights(berlin(28, 5), berlin(31), "Europe/Berlin")
    assert found == [berlin(28), berlin(29), berlin(30), berlin(31)]
    assert found[2] - found[1] == DAY - HOUR
    assert midnights(berlin(28), berlin(28), "Europe/Berlin") == [berlin(28)]
