"""What the gate compares with, task by task, which version stays the best, and how much data it needs."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from monitoring.gate import Verdict, judge
from tests.monitoring.fakes import fake_predictions, sigmoid, small_spec

SPEC = small_spec()


def judged(predictions: pd.DataFrame, champion: str = "4", best: str | None = None, **gate: Any) -> Verdict:
    spec = SPEC.model_copy(update={"gate": SPEC.gate.model_copy(update=gate)})
    return judge(spec, predictions, {"champion": champion}, best)


def with_likes(predictions: pd.DataFrame, **noise: float) -> pd.DataFrame:
    """Every row has a like label; each scorer sees its logit through noise of that deviation."""
    generator = np.random.default_rng(1)
    truth = generator.normal(-1, 1.2, len(predictions))
    likes = {"label_like": (generator.random(len(predictions)) < sigmoid(truth)).astype(float)}
    for scorer, deviation in noise.items():
        likes[f"{scorer}_like"] = sigmoid(truth + np.random.default_rng(2).normal(0, deviation, len(predictions)))
    return predictions.assign(**likes)


@pytest.mark.parametrize(
    ("rows", "positives", "members", "needed"),
    [
        (100, 10, 10, False),
        (99, 10, 10, True),
        (100, 9, 10, True),
        (100, 90, 10, False),
        (100, 91, 10, True),
        (100, 10, 9, True),
    ],
)
def test_it_needs_a_hundred_rows_ten_labels_of_a_class_and_ten_members(
    rows: int, positives: int, members: int, needed: bool
) -> None:
    frame = fake_predictions(SPEC, rows=rows)
    count = np.arange(len(frame)) % rows
    frame = frame.assign(label_click=(count < positives).astype(float), member=count % members, label_like=np.nan)
    lacking = [reason for reason in judged(frame).reasons if "are needed" in reason and "like" not in reason]
    assert bool(lacking) is needed


def test_the_champion_is_the_best_version_until_one_is_better_beyond_chance() -> None:
    """The champion differs from the candidate on one member's rows alone, which many draws do not hold."""
    noise = {"candidate": 0.5, "version_3": 1.5, "floor": 2.0}
    predictions = fake_predictions(SPEC, noise=noise)
    one = predictions["member"] == 0
    candidate = predictions["candidate_click"]
    slightly = judged(predictions.assign(champion_click=candidate.where(~one, 1 - candidate)))
    assert slightly.metrics["difference"]["auc"] > 0 >= slightly.metrics["difference"]["low"]
    assert slightly.best == "4"
    assert judged(fake_predictions(SPEC, noise={**noise, "champion": 1.0})).best is None


@pytest.mark.parametrize("missing", [None, "9"])
def test_without_a_known_best_version_it_is_the_one_of_the_highest_auc(missing: str | None) -> None:
    noise = {"candidate": 1.0, "champion": 1.5, "version_3": 0.3, "version_2": 2.0, "floor": 3.0}
    assert judged(fake_predictions(SPEC, noise=noise), "", missing).best == "3"


@pytest.mark.parametrize("value", [-0.1, -np.inf, np.inf, 1.01])
def test_a_probability_outside_0_to_1_holds(value: float) -> None:
    predictions = fake_predictions(SPEC, rows=500)
    predictions.loc[7, "candidate_click"] = value
    (reason, *_) = judged(predictions).reasons
    assert "in 1 of 500 rows" in reason


@pytest.mark.parametrize("worse", ["champion", "floor", "version_3"])
def test_another_task_is_compared_with_champion_floor_and_earlier_versions(worse: str) -> None:
    """One of the three is better than the candidate on likes."""
    predictions = fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 0.5, "version_3": 0.5, "floor": 2.0})
    like = {"candidate": 1.0, "champion": 1.0, "version_3": 1.0, "floor": 1.0}
    wide = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}
    assert judged(with_likes(predictions, **like), **wide).promoted
    verdict = judged(with_likes(predictions, **{**like, worse: 0.05}), **wide)
    assert verdict.decision == "hold"
    assert worse.replace("_", " ") in verdict.reasons[0]


def test_calibration_of_another_task_is_compared_with_earlier_versions_as_well() -> None:
    """Only the earlier version is calibrated on likes."""
    predictions = with_likes(
        fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 0.5, "version_3": 0.5, "floor": 2.0}),
        **dict.fromkeys(("candidate", "champion", "version_3", "floor"), 0.1),
    )
    off = {f"{scorer}_like": predictions["candidate_like"] ** 0.5 for scorer in ("candidate", "champion", "floor")}
    wide = {"mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}
    assert "like calibration" in judged(predictions.assign(**off), **wide).reasons[0]
    assert judged(predictions.assign(**off, version_3_like=off["floor_like"]), **wide).promoted


@pytest.mark.parametrize(("negatives", "compared"), [(29, False), (30, True)])
def test_another_task_is_compared_with_thirty_labels_of_each_class(negatives: int, compared: bool) -> None:
    predictions = with_likes(fake_predictions(SPEC, rows=1000), candidate=1.0, floor=0.05)
    count = np.arange(len(predictions)) % 1000
    for likes in (count >= negatives, count < negatives):
        reasons = judged(predictions.assign(label_like=likes.astype(float))).reasons
        assert any("like was not compared" in reason for reason in reasons) is not compared


def test_what_blocks_on_another_task_is_told_beside_what_keeps_the_primary_one_from_being_compared() -> None:
    predictions = fake_predictions(SPEC, rows=500).assign(candidate_click=0.3, candidate_like=0.3)
    reasons = judged(predictions).reasons
    assert len(reasons) == 2
    assert "click" in reasons[0]
    assert "like" in reasons[1]
