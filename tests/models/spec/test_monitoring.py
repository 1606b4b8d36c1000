"""The spec's block monitoring: a new product is told what would be done, and nothing else."""

import pytest

from models.spec import SpecError
from models.time_units import DAY
from tests.factories import specs


def test_a_new_product_only_hears_what_would_be_done() -> None:
    found = specs.spec_of(specs.document()).monitoring
    assert (found.act, found.cool_down_time, found.canary_percent) == ("dry_run", 3 * DAY, 10)
    assert (found.false_alarm_days, found.calibration_band, found.history_days, found.fewest_rows) == (
        1000,
        0.05,
        28,
        200,
    )


@pytest.mark.parametrize("act", ["off", "dry_run", "on"])
def test_what_act_may_do_is_one_of_three(act: str) -> None:
    assert specs.spec_of(specs.document(monitoring={"act": act})).monitoring.act == act


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"act": "yes"}, "act"),
        ({"act": True}, "act"),
        ({"cool_down": "0d"}, "cool_down"),
        ({"cool_down": 3}, "cool_down"),
        ({"canary_percent": 100}, "canary_percent"),
        ({"calibration_band": 0.5}, "calibration_band"),
        ({"history_days": 6}, "history_days"),
        ({"fewest_rows": 49}, "fewest_rows"),
        ({"false_alarm_days": 9}, "false_alarm_days"),
        ({"alarms": {}}, "alarms"),
    ],
)
def test_what_is_out_of_bounds_is_named(block: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        specs.spec_of(specs.document(monitoring=block))
