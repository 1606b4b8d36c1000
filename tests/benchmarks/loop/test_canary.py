"""The decision about a canary."""

import pandas as pd
import pytest

from benchmarks.loop.canary import difference


def _shown(champion: int, canary: int, count: int = 100) -> pd.DataFrame:
    """Deliveries of two versions with so many clicks each, one a second."""
    clicked = [int(place < clicks) for clicks in (champion, canary) for place in range(count)]
    times = [*range(count), *range(count)]
    return pd.DataFrame(
        {"version": ["1"] * count + ["2"] * count, "clicked": clicked, "time": times, "received": times}
    )


@pytest.mark.parametrize(
    ("champion", "canary", "decision"), [(10, 40, "promote"), (40, 10, "roll_back"), (20, 22, "wait")]
)
def test_what_the_interval_says(champion: int, canary: int, decision: str):
    found = difference(_shown(champion, canary), "1", "2", since=0, until=1000)
    assert found.value == pytest.approx((canary - champion) / 100)
    assert found.low < found.value < found.high
    assert found.decision == decision


def test_only_deliveries_of_its_time_count_and_none_is_no_reason():
    shown = _shown(10, 40)
    assert difference(shown, "1", "2", since=50, until=1000).value == 0.0  # clicks are in the first half
    assert difference(shown, "1", "2", since=200, until=1000).decision == "wait"
    assert difference(shown.iloc[:0], "1", "2", since=0, until=9).decision == "wait"
