"""The bars of the monitor."""

from benchmarks.loop.__main__ import monitored
from benchmarks.loop.faults import DRIFT
from benchmarks.loop.page import Night


def test_each_fault_has_to_be_named_in_time():
    nights = [
        Night("1"),
        Night("2", "data_fault", "traffic.member", fault="bot"),
        Night("3", "healthy", fault="surface_gone"),
        Night("4", "data_fault", "traffic.surface"),
        Night("5", "retrain", "features.shift", fault=DRIFT),
        Night("6", "watch", fault="fewer_clicks"),
        Night("7", "healthy"),
        Night("8", "recalibrate", "calibration.ratio"),
    ]
    assert monitored(nights) == {
        "bot_is_named": True,
        "surface_gone_is_named": False,
        "drift_is_named": False,
        "fewer_clicks_is_named": True,
    }
    assert monitored([Night("1", fault="bot")]) == {}  # not judged


def test_after_the_drift_a_canary_has_to_win():
    nights = [
        Night("1", "retrain", "features.new_value", fault=DRIFT),
        *(Night(str(day), "healthy") for day in range(14)),
    ]
    assert monitored(nights) == {"drift_is_named": True, "a_canary_won_after_the_drift": False}
    nights[9].promoted = True
    assert monitored(nights)["a_canary_won_after_the_drift"]
