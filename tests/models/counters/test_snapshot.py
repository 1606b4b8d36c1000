"""Cuts at local midnights, and what item and surface explain of an outcome."""

from datetime import datetime
from zoneinfo import ZoneInfo

from models.counters.plan import RatePlan
from models.counters.snapshot import ResidualPlan, SnapshotPlan, cut_at, expectations, expected
from models.time_units import DAY, HOUR, microseconds

CLICK = RatePlan("click", "click", 1, {})
SHARE = RatePlan("share", "percent", 4, {})
SNAPSHOTS = tuple(
    SnapshotPlan(f"expected_{name}", (name,) * keyed, (name,) * keyed, (CLICK,))
    for name, keyed in (("item", 1), ("surface", 1), ("overall", 0))
)
PLAN = ResidualPlan("Europe/Berlin", 3 * HOUR, 2, 10, SNAPSHOTS)


def berlin(day: int, hour: int = 0) -> int:
    return microseconds(datetime(2026, 3, day, hour, tzinfo=ZoneInfo("Europe/Berlin")))


def state(name: str, *cuts: tuple[int, int, int]) -> dict[str, list[int]]:
    """The cut, the sum and the number at each cut."""
    columns = (f"expected_{name}_cut", f"expected_{name}_click_sum", f"expected_{name}_click_of")
    return dict(zip(columns, map(list, zip(*cuts, strict=True)), strict=True))


def test_a_cut_is_visible_after_the_delay_and_not_at_it() -> None:
    visible = berlin(10) + 3 * HOUR
    assert cut_at(PLAN, visible) == berlin(9)
    assert cut_at(PLAN, visible + 1) == berlin(10)
    # On the 29th the clocks go forward: three hours after midnight it is four.
    assert cut_at(PLAN, berlin(29, 4)) == berlin(28)
    assert cut_at(PLAN, berlin(29, 4) + 1) == berlin(29)


def test_expectations_by_hand() -> None:
    # overall 1/3, item (3 + 10/3) / 14, surface (0 + 10/3) / 20
    assert expected(CLICK, 10, [(3, 4), (0, 10), (4, 12)]) == 452_380 + 166_666 - 333_333
    assert expected(CLICK, 10, [(0, 0), (0, 10), (4, 12)]) == 166_666  # the item is unknown
    assert expected(CLICK, 10, [(0, 0), (0, 0), (0, 0)]) is None
    assert expected(CLICK, 1, [(99, 99), (99, 99), (99, 200)]) == 1_000_000
    assert expected(CLICK, 1, [(0, 99), (0, 99), (99, 200)]) == 0
    assert expected(SHARE, 10, [(0, 0), (0, 0), (2, 1)]) == 500_000


def test_the_snapshot_of_the_impression_explains_it_whenever_it_settles() -> None:
    item = state("item", (berlin(8), 1, 2), (berlin(10), 9, 9))
    surface = state("surface", (berlin(9), 1, 4))
    overall = state("overall", (berlin(9), 5, 10), (berlin(10), 50, 60))
    shown = berlin(9, 12)
    for settled in (shown, shown + 2 * DAY):
        found = expectations(PLAN, [item, surface, overall], shown, settled)
        assert found == {"click": expected(CLICK, 10, [(1, 2), (1, 4), (5, 10)])}
    unknown = expectations(PLAN, [None, surface, overall], shown, shown)
    assert unknown == {"click": expected(CLICK, 10, [(0, 0), (1, 4), (5, 10)])}


def test_no_residual_where_the_outcome_or_the_snapshot_is_late_or_there_is_none() -> None:
    overall, shown = state("overall", (berlin(9), 5, 10)), berlin(9, 12)
    for states, settled, at in (
        ([None, None, overall], shown + 2 * DAY + 1, shown),
        ([None, None, overall], shown + DAY, shown + DAY),  # the cut of that day is not there yet
        ([None, None, overall], shown, shown - DAY),
        ([None, None, None], shown, shown),
        ([None, None, {"expected_overall_cut": None}], shown, shown),
    ):
        assert expectations(PLAN, states, at, settled) == {"click": None}


def test_a_plan_survives_json() -> None:
    assert ResidualPlan.from_dict(PLAN.to_dict()) == PLAN
