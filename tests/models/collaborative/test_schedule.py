"""Which cut is visible at a time: boundaries to the microsecond, and days of 23 and 25 hours."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from models.collaborative.schedule import visible_cuts
from models.time_units import DAY, HOUR, microseconds

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return microseconds(datetime.fromisoformat(text).replace(tzinfo=zone))


@pytest.mark.parametrize(
    ("delay", "time", "cut"),
    [
        (3 * HOUR, at("2026-01-05 03:00") + 1, at("2026-01-05")),
        (3 * HOUR, at("2026-01-05 03:00"), at("2026-01-04")),
        (0, at("2026-01-05"), at("2026-01-04")),
        (0, at("2026-01-05") + 1, at("2026-01-05")),
        (DAY, at("2026-01-05"), at("2026-01-03")),
        (DAY, at("2026-01-05") + 1, at("2026-01-04")),
        # Clocks go forward at two on 2026-03-29: three hours later it is four. They go back on 2026-10-25.
        (3 * HOUR, at("2026-03-29 04:00"), at("2026-03-28")),
        (3 * HOUR, at("2026-03-29 04:00") + 1, at("2026-03-29")),
        (DAY, at("2026-03-30 00:30"), at("2026-03-28")),
        (3 * HOUR, at("2026-10-25 02:00") + HOUR + 1, at("2026-10-25")),
        (DAY, at("2026-10-26"), at("2026-10-25")),
    ],
)
def test_a_cut_is_visible_strictly_after_its_delay(delay: int, time: int, cut: int) -> None:
    assert visible_cuts(BERLIN, delay, np.array([time])).tolist() == [cut]


def test_many_times_at_once_and_none() -> None:
    times = np.array([at("2026-03-29 12:00"), at("2025-01-01 12:00"), at("2026-03-29 01:00")])
    expected = [at("2026-03-29"), at("2025-01-01"), at("2026-03-28")]
    assert visible_cuts(BERLIN, 3 * HOUR, times).tolist() == expected
    assert len(visible_cuts(BERLIN, 0, times[:0])) == 0
