"""The sentence for a manager: better, level, worse, and what to do."""

import numpy as np
import pytest

from monitoring.measure import measure
from monitoring.standing import standing
from tests.monitoring.fakes import fake_predictions, small_spec

SPEC = small_spec()
COST = {"network": 310e-6, "trees": 12e-6}


def document(click: tuple[float, float] | None, like: tuple[float, float] | None, **more: object) -> dict:
    def trees(bounds: tuple[float, float] | None) -> dict:
        low, high = bounds or (None, None)
        return {"auc_low": 0.6, "auc_high": 0.7, "ahead": {"auc": {"by": low, "low": low, "high": high}}}

    scores = {"trees": {"click": trees(click), "like": trees(like)}}
    return {"tasks": ["click", "like"], "primary_task": "click", "windows": {"test": {"scores": scores}}, **more}


@pytest.mark.parametrize(
    ("click", "like", "sentence"),
    [
        ((0.019, 0.021), (-0.001, 0.002), "Better than your trees by 0.0190 to 0.0210 on click; level on like."),
        ((-0.001, 0.001), (-0.1, 0.1), "Level with your trees on click and like."),
        (
            (-0.03, -0.01),
            (0.1, 0.2),
            "Better than your trees by 0.1000 to 0.2000 on like; worse than your trees by 0.0100 to 0.0300 on click.",
        ),
        (
            (1e-6, 2e-6),
            None,
            "Level with your trees on click; not compared on like, whose test labels are of one class or too few.",
        ),
    ],
)
def test_the_sentence_says_by_how_much_and_on_what(click: tuple, like: tuple | None, sentence: str) -> None:
    assert standing(document(click, like), True)["sentence"] == sentence


def test_the_trees_are_recommended_where_the_candidate_is_no_better() -> None:
    assert standing(document((0.01, 0.02), (-0.1, -0.05)), True)["recommendation"] is None
    level = standing(document((-0.01, 0.02), None, cost=COST), True)["recommendation"]
    assert level == (
        "Serve the trees alone: the same quality on click; in the batches of this run they scored a row in 12 µs, "
        "the network in 310 µs. "
        "Set `model.trees_weight: 1` and run again; they serve at the same endpoint."
    )
    worse = standing(document((-0.02, -0.01), None), False)["recommendation"]
    assert worse is not None
    assert "better on click. Set `model.trees: true` and `model.trees_weight: 1`" in worse


def test_trees_that_serve_alone_are_not_compared_with_themselves() -> None:
    found = standing(document((0.0, 0.0), None), True, alone=True)
    assert found == {"sentence": "The trees serve alone: their weight is 1 in every task.", "recommendation": None}


def test_the_difference_is_paired_and_constant_trees_are_none() -> None:
    predictions = fake_predictions(SPEC, noise={"candidate": 0.2, "trees": 2.0})
    found = standing(measure(SPEC, predictions), True)
    assert found["sentence"] is not None
    assert found["sentence"].startswith("Better than your trees by 0.")
    swapped = predictions.rename(columns={"candidate_click": "trees_click", "trees_click": "candidate_click"})
    assert "worse than your trees by" in str(standing(measure(SPEC, swapped), True)["sentence"]).lower()
    same = predictions.assign(candidate_click=predictions["trees_click"])
    assert "evel with your trees on click" in str(standing(measure(SPEC, same), True)["sentence"])
    flat = standing(measure(SPEC, predictions.assign(trees_click=0.2, trees_like=0.2)), True)
    assert flat["sentence"] == "No trees to compare with on click and like: too few rows of both classes to fit any."
    assert flat["recommendation"] is None
    one_class = predictions.assign(label_click=np.where(predictions["label_click"].isna(), np.nan, 1.0))
    assert "not compared on click" in str(standing(measure(SPEC, one_class), True)["sentence"]).lower()
    assert standing(measure(SPEC, predictions.head(0)), True)["recommendation"] is None
