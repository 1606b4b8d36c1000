import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.spec import Spec
from monitoring.documents import write_frame, write_json
from monitoring.errors import PredictionsError
from monitoring.gate import judge, judge_folder
from tests.monitoring.fakes import fake_predictions, small_spec

SPEC = small_spec()


def with_margin(margin: float) -> Spec:
    return SPEC.model_copy(update={"gate": SPEC.gate.model_copy(update={"margin": margin})})


def test_better_than_the_champion_is_promoted() -> None:
    verdict = judge(SPEC, fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 1.0, "floor": 2.0}))
    assert verdict.promoted
    assert verdict.reference == "champion"
    assert verdict.metrics["difference"]["low"] > 0


def test_without_a_champion_the_floor_is_the_reference() -> None:
    verdict = judge(SPEC, fake_predictions(SPEC, noise={"candidate": 0.3, "floor": 1.0}))
    assert verdict.promoted
    assert verdict.reference == "floor"


def test_clearly_worse_is_held_with_figures() -> None:
    verdict = judge(SPEC, fake_predictions(SPEC, noise={"candidate": 2.0, "champion": 0.3, "floor": 1.0}))
    assert verdict.decision == "hold"
    assert f"{verdict.metrics['candidate']['auc']:.4f}" in verdict.reasons[0]
    assert "below the margin of -0.0100" in verdict.reasons[0]


def test_slightly_worse_within_the_margin_needs_enough_data() -> None:
    noise = {"candidate": 0.55, "champion": 0.5, "floor": 2.0}
    enough = judge(with_margin(0.02), fake_predictions(SPEC, rows=12_000, members=2000, noise=noise))
    little = judge(with_margin(0.02), fake_predictions(SPEC, rows=150, members=60, noise=noise, seed=3))
    assert enough.metrics["difference"]["auc"] < 0
    assert enough.promoted
    assert not little.promoted


def test_only_the_gate_window_and_as_of_state_are_read() -> None:
    predictions = fake_predictions(SPEC)
    spoiled = predictions.copy()
    elsewhere = (spoiled["window"] == "test") | (spoiled["state"] == "frozen")
    spoiled.loc[elsewhere, "candidate_click"] = np.nan
    assert judge(SPEC, spoiled).to_json() == judge(SPEC, predictions).to_json()


def test_missing_probabilities_hold() -> None:
    predictions = fake_predictions(SPEC, rows=500)
    predictions.loc[3, "candidate_click"] = np.nan
    verdict = judge(SPEC, predictions)
    assert verdict.decision == "hold"
    assert verdict.reasons == ["The candidate's click probability is missing or infinite in 1 of 500 rows."]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("candidate_click", 0.25, "0.2500 in every row"),
        ("candidate_click", 1.5, "outside 0 to 1 in 500 of 500"),
        ("floor_click", np.inf, "The floor's click probability is missing or infinite"),
        ("label_click", 1.0, "0 negative click labels"),
        ("label_click", 0.0, "0 positive click labels"),
        ("label_click", np.nan, "0 rows with a click label"),
        ("member", 1, "1 members; at least 10"),
    ],
)
def test_hard_checks_hold_with_a_reason(column: str, value: float, words: str) -> None:
    verdict = judge(SPEC, fake_predictions(SPEC, rows=500).assign(**{column: value}))
    assert verdict.decision == "hold"
    assert any(words in reason for reason in verdict.reasons)
    json.dumps(verdict.to_json(), allow_nan=False)


def test_no_rows_hold() -> None:
    verdict = judge(SPEC, fake_predictions(SPEC).iloc[:0])
    assert verdict.decision == "hold"
    assert verdict.window["rows"] == 0


def test_a_candidate_without_a_column_is_held_and_a_frame_without_labels_refused() -> None:
    predictions = fake_predictions(SPEC, rows=300)
    assert "no click probabilities" in judge(SPEC, predictions.drop(columns="candidate_click")).reasons[0]
    with pytest.raises(PredictionsError, match="label_click"):
        judge(SPEC, predictions.drop(columns="label_click"))


def test_the_verdict_names_versions_and_window() -> None:
    document = judge(SPEC, fake_predictions(SPEC, rows=300), {"champion": "4"}).to_json()
    assert document["versions"] == {"champion": "4"}
    assert document["window"]["start"] == "2026-01-06T00:00:00+00:00"
    assert document["window"]["end"] == "2026-01-07T00:00:00+00:00"


def test_a_folder_is_judged_and_an_unusable_champion_named(tmp_path) -> None:
    write_frame(tmp_path / "predictions.parquet", fake_predictions(SPEC))
    write_json(tmp_path / "metrics.json", {"champion_version": "2", "champion_unusable": "ValueError: other schema"})
    verdict = judge_folder(SPEC, tmp_path)
    assert (verdict.reference, verdict.versions) == ("floor", {})
    assert "other schema" in verdict.reasons[-1]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), order=st.randoms(use_true_random=False))
def test_the_verdict_is_deterministic_and_does_not_depend_on_the_order_of_rows(seed: int, order) -> None:
    predictions = fake_predictions(SPEC, rows=200, members=40, seed=seed)
    places = list(range(len(predictions)))
    order.shuffle(places)
    shuffled = predictions.iloc[places].reset_index(drop=True)
    first, second = judge(SPEC, predictions).to_json(), judge(SPEC, shuffled).to_json()
    assert first["decision"] == second["decision"]
    assert first["metrics"]["difference"]["low"] == pytest.approx(second["metrics"]["difference"]["low"], abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_model_against_itself_loses_nothing(seed: int) -> None:
    predictions = fake_predictions(SPEC, rows=200, members=40, seed=seed)
    same = pd.DataFrame(predictions).assign(floor_click=predictions["candidate_click"])
    verdict = judge(with_margin(0.0), same)
    assert verdict.promoted
    assert verdict.metrics["difference"] == {"auc": 0.0, "low": 0.0, "high": 0.0}
