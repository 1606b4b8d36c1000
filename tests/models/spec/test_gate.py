"""Bounds of single tasks replace those of the gate."""

import pytest

from models.spec import Gate, SpecError
from models.time_units import iso
from tests.factories import specs


def test_the_bounds_of_a_task() -> None:
    gate = Gate.model_validate(
        {
            "ece": 0.05,
            "margin": 0.001,
            "other_margin": 0.02,
            "mean_ratio": [0.9, 1.1],
            "tasks": {"like": {"ece": 0.2, "margin": 0.0, "mean_ratio": [0.5, 2.0]}, "share": {}},
        }
    )
    assert [gate.ece_of(task) for task in ("like", "share", "click")] == [0.2, 0.05, 0.05]
    assert [gate.margin_of(task) for task in ("like", "share", "click")] == [0.0, 0.02, 0.02]
    assert gate.ratio_of("like") == [0.5, 2.0]
    assert gate.ratio_of("share") == gate.ratio_of("click") == [0.9, 1.1]


def test_a_refit_needs_a_day_of_the_gate_window_to_train_on_and_one_to_check() -> None:
    assert not specs.spec_of(specs.document()).gate.refit
    with pytest.raises(SpecError, match=r"gate\.refit: expected a gate window of two days or more.*found .* 1 day"):
        specs.spec_of(specs.document(gate={"refit": True}))
    assert specs.spec_of(specs.document(gate={"refit": True}, windows=specs.windows(gate=2))).gate.refit


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        ("UTC", "2026-03-29T00:00:00+00:00", "2026-03-30T00:00:00+00:00"),
        ("Asia/Shanghai", "2026-03-28T16:00:00+00:00", "2026-03-29T16:00:00+00:00"),
        ("Europe/Berlin", "2026-03-28T23:00:00+00:00", "2026-03-29T22:00:00+00:00"),  # a day of 23 hours
    ],
)
def test_the_last_gate_day_is_a_day_of_the_spec_s_zone(zone: str, start: str, end: str) -> None:
    windows = specs.windows("2026-03-23", gate=2)
    spec = specs.spec_of(specs.document(timezone=zone, windows=windows))
    assert [iso(time) for time in spec.last_gate_day] == [start, end]
    assert spec.last_gate_day.end == spec.span("test").start
