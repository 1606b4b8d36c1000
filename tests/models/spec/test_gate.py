"""Bounds of single tasks replace those of the gate."""

from models.spec import Gate


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
