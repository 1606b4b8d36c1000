"""What the gate compares with, task by task, which version stays the best, and how much data it needs."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bootstrap import UserBootstrap
from monitoring.gate import GateVerdict, judge
from tests.monitoring.fakes import fake_predictions, sigmoid, small_spec

SPEC = small_spec()


def judged(predictions: pd.DataFrame, champion: str = "4", best: str | None = None, **gate: Any) -> GateVerdict:
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
    noise = {"candidate": 0.5, "version_3": 1.5, "trees": 2.0}
    predictions = fake_predictions(SPEC, noise=noise)
    one = predictions["member"] == 0
    candidate = predictions["candidate_click"]
    slightly = judged(predictions.assign(champion_click=candidate.where(~one, 1 - candidate)))
    assert slightly.metrics["difference"]["auc"] > 0 >= slightly.metrics["difference"]["low"]
    assert slightly.best == "4"
    assert judged(fake_predictions(SPEC, noise={**noise, "champion": 1.0})).best is None


@pytest.mark.parametrize("missing", [None, "9"])
def test_without_a_known_best_version_it_is_the_one_of_the_highest_auc(missing: str | None) -> None:
    noise = {"candidate": 1.0, "champion": 1.5, "version_3": 0.3, "version_2": 2.0, "trees": 3.0}
    assert judged(fake_predictions(SPEC, noise=noise), "", missing).best == "3"


@pytest.mark.parametrize("value", [-0.1, -np.inf, np.inf, 1.01])
def test_a_probability_outside_0_to_1_holds(value: float) -> None:
    predictions = fake_predictions(SPEC, rows=500)
    predictions.loc[7, "candidate_click"] = value
    (reason, *_) = judged(predictions).reasons
    assert "in 1 of 500 rows" in reason


@pytest.mark.parametrize("worse", ["champion", "trees", "version_3"])
def test_another_task_is_compared_with_champion_floor_and_earlier_versions(worse: str) -> None:
    """One of the three is better than the candidate on likes."""
    predictions = fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 0.5, "version_3": 0.5, "trees": 2.0})
    like = {"candidate": 1.0, "champion": 1.0, "version_3": 1.0, "trees": 1.0}
    wide = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}
    assert judged(with_likes(predictions, **like), **wide).promoted
    verdict = judged(with_likes(predictions, **{**like, worse: 0.05}), **wide)
    assert verdict.decision == "hold"
    assert worse.replace("_", " ") in verdict.reasons[0]


def test_calibration_of_another_task_is_compared_with_earlier_versions_as_well() -> None:
    """Only the earlier version is calibrated on likes."""
    predictions = with_likes(
        fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 0.5, "version_3": 0.5, "trees": 2.0}),
        **dict.fromkeys(("candidate", "champion", "version_3", "trees"), 0.1),
    )
    off = {f"{scorer}_like": predictions["candidate_like"] ** 0.5 for scorer in ("candidate", "champion", "trees")}
    wide = {"mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}
    assert "like calibration" in judged(predictions.assign(**off), **wide).reasons[0]
    assert judged(predictions.assign(**off, version_3_like=off["trees_like"]), **wide).promoted


@pytest.mark.parametrize(("negatives", "compared"), [(29, False), (30, True)])
def test_another_task_is_compared_with_thirty_labels_of_each_class(negatives: int, compared: bool) -> None:
    predictions = with_likes(fake_predictions(SPEC, rows=1000), candidate=1.0, trees=0.05)
    count = np.arange(len(predictions)) % 1000
    for likes in (count >= negatives, count < negatives):
        reasons = judged(predictions.assign(label_like=likes.astype(float))).reasons
        assert any("like was not compared" in reason for reason in reasons) is not compared


def test_what_blocks_on_another_task_is_reported_beside_what_keeps_the_primary_one_from_being_compared() -> None:
    predictions = fake_predictions(SPEC, rows=500).assign(candidate_click=0.3, candidate_like=0.3)
    reasons = judged(predictions).reasons
    assert len(reasons) == 2
    assert "click" in reasons[0]
    assert "like" in reasons[1]


NOISE = {"candidate": 0.3, "champion": 0.5, "version_3": 0.6, "trees": 2.0}
WIDE: dict[str, Any] = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}


def test_each_reference_is_named_once_where_nothing_blocks() -> None:
    reasons = judged(fake_predictions(SPEC, noise=NOISE), **WIDE).reasons
    assert "of the champion" in reasons[0]
    assert reasons[1].endswith("not below the floor by more than 0.002.")
    assert reasons[2] == "Not worse by more than the margin than version 3 either."
    assert sum("of the trees" in reason for reason in reasons if reason.startswith("click AUC")) == 1
    assert sum(reason.startswith("like AUC") for reason in reasons) == 1
    first = judged(fake_predictions(SPEC, noise={"candidate": 0.3, "trees": 2.0}), **WIDE).reasons
    assert sum(reason.startswith("click AUC") for reason in first) == 1
    assert not any("either" in reason for reason in first)


def test_figures_are_kept_of_every_scorer() -> None:
    found = judged(fake_predictions(SPEC, noise=NOISE), **WIDE).metrics
    areas = [found[name]["auc"] for name in ("candidate", "reference", "floor")]
    assert areas == sorted(areas, reverse=True)
    assert found["floor"]["difference"]["auc"] == pytest.approx(areas[0] - areas[2])
    assert list(found["earlier"]) == ["3"]


def test_a_broken_floor_or_version_holds_nothing_beside_a_champion() -> None:
    predictions = with_likes(fake_predictions(SPEC, noise=NOISE), **dict.fromkeys(NOISE, 0.1))
    for scorer, name in (("trees", "trees"), ("version_3", "version 3")):
        broken = predictions.assign(**{f"{scorer}_click": np.nan, f"{scorer}_like": np.nan})
        verdict = judged(broken, **WIDE)
        assert verdict.promoted
        assert (verdict.metrics["floor"] is None) is (scorer == "trees")
        assert any(name in reason and "not compared" in reason for reason in verdict.reasons)


def test_the_floors_own_interval_counts_beside_a_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions = fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 0.5, "trees": 2.0})
    here = (predictions["window"] == "gate") & (predictions["state"] == "as_of")
    floor, drawn = predictions.loc[here, "trees_click"].to_numpy(), UserBootstrap.draws

    def draws(self: UserBootstrap, metric: Any, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
        return drawn(self, metric, labels, scores) + (0.3 if np.array_equal(scores, floor) else 0.0)

    monkeypatch.setattr(UserBootstrap, "draws", draws)
    outside = [reason for reason in judged(predictions, **WIDE).reasons if "its own interval" in reason]
    assert [reason.split(" is ")[0] for reason in outside] == [
        "The click AUC of the trees",
        "The click difference from the trees",
    ]


def test_a_candidate_that_equals_the_best_version_does_not_surpass_it() -> None:
    predictions = fake_predictions(SPEC, noise=NOISE)
    same = predictions.assign(champion_click=predictions["candidate_click"])
    assert judged(same, "4", "4").best == "4"
    alone = same.drop(columns=["version_3_click", "version_3_like"])
    assert judged(alone, "4").best == "4"
    assert judged(alone, "").best is None


@pytest.mark.parametrize(
    ("rows", "members", "checked"), [(100, 10, True), (99, 10, False), (100, 9, False), (101, 11, True)]
)
def test_calibration_of_another_task_needs_a_hundred_rows_and_ten_members(
    rows: int, members: int, checked: bool
) -> None:
    predictions = fake_predictions(SPEC, rows=rows)
    count = np.arange(len(predictions)) % rows
    likes = (count < 20).astype(float)
    verdict = judged(predictions.assign(label_like=likes, member=count % members))
    assert ("ece" in verdict.metrics["tasks"]["like"]) is checked
    expected = f"like was not compared: the gate window holds 20 positive and {rows - 20} negative labels of {members} "
    assert not checked or f"{expected}members, 30 of each are needed." in verdict.reasons


@pytest.mark.parametrize(("members", "compared"), [(9, False), (10, True)])
def test_another_task_is_compared_with_ten_members(members: int, compared: bool) -> None:
    predictions = with_likes(fake_predictions(SPEC, rows=1000), candidate=1.0, trees=1.0)
    predictions["member"] = np.arange(len(predictions)) % members
    assert ("candidate" in judged(predictions).metrics["tasks"]["like"]) is compared


def test_0_and_1_are_probabilities() -> None:
    predictions = fake_predictions(SPEC, noise=NOISE)
    predictions.loc[:1, "candidate_click"] = [0.0, 1.0]
    assert judged(predictions, **WIDE).promoted


def test_one_row_is_not_called_constant_and_two_are() -> None:
    predictions = fake_predictions(SPEC, rows=2).assign(candidate_click=0.25)
    constant = "The candidate's click probability is 0.2500 in every row: it ranks nothing."
    assert constant in judged(predictions).reasons
    assert constant not in judged(predictions.drop_duplicates(["window", "state"])).reasons
    outside = judged(fake_predictions(SPEC, rows=500).assign(candidate_click=1.5)).reasons
    assert [reason for reason in outside if reason.startswith("The click probability")] == [
        "The click probability of the candidate is outside 0 to 1 in 500 of 500 rows."
    ]
