"""Pictures of trends: gaps, single days, nothing."""

import pytest

from monitoring.page.trends import Line, bars, trend

DAYS = ["2026-11-01", "2026-11-02", "2026-11-05"]


def points(picture: str) -> int:
    return picture.count("<use ")


def test_a_line_is_interrupted_where_days_or_values_are_missing() -> None:
    whole = trend(["2026-11-03", "2026-11-04", "2026-11-05"], [Line([1.0, 2.0, 3.0])], "a")
    gap = trend(DAYS, [Line([1.0, 2.0, 3.0])], "a")
    missing = trend(DAYS, [Line([1.0, None, float("nan")])], "a")
    assert points(whole) == points(gap) == points(missing) + 2
    line = next(part for part in gap.split("<path ") if "--series-1" in part and "fill: none" in part)
    assert line.count("L ") == 1  # from the first day to the second alone


@pytest.mark.parametrize("values", [[], [None], [float("inf")]])
def test_nothing_is_no_picture(values: list[float | None]) -> None:
    days = DAYS[: len(values)]
    assert trend(days, [Line(values)], "a") == ""
    assert trend(days, [], "a") == ""
    assert bars(days, [None] * len(values), [0] * len(values), "a") == ""


def test_one_day_has_a_picture_with_its_interval() -> None:
    with_interval = trend(DAYS[:1], [Line([1.0], [0.9], [1.1])], "a", level=1.0)
    assert "stroke-opacity: 0.4" in with_interval
    assert bars(DAYS[:1], [5], [None], "a").startswith("<svg")


def test_the_same_days_give_the_same_picture() -> None:
    assert trend(DAYS, [Line([1, 2, 3])], "a") == trend(DAYS, [Line([1, 2, 3])], "a")
