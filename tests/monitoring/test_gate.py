import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.faults.gate import Retrainings, product
from models.bootstrap import UserBootstrap
from models.spec import Spec
from models.spec.gate import TaskBounds
from monitoring.documents import write_frame, write_json
from monitoring.errors import PredictionsError
from monitoring.gate import judge, judge_folder
from tests.monitoring.fakes import fake_predictions, small_spec

SPEC = small_spec()


def with_margin(margin: float) -> Spec:
    return SPEC.model_copy(update={"gate": SPEC.gate.model_copy(update={"margin": margin})})


def test_better_than_the_champion_is_promoted() -> None:
    verdict = judge(SPEC, fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 1.0, "trees": 2.0}))
    assert verdict.promoted
    assert verdict.reference == "champion"
    assert verdict.metrics["difference"]["low"] > 0


def test_without_a_champion_the_floor_is_the_reference() -> None:
    verdict = judge(SPEC, fake_predictions(SPEC, noise={"candidate": 0.3, "trees": 1.0}))
    assert verdict.promoted
    assert verdict.reference == "trees"
    assert "not below the floor" in verdict.reasons[0]
    assert verdict.reasons[1].startswith("There is no champion")


def test_clearly_worse_is_held_with_figures() -> None:
    verdict = judge(SPEC, fake_predictions(SPEC, noise={"candidate": 2.0, "champion": 0.3, "trees": 1.0}))
    assert verdict.decision == "hold"
    assert f"{verdict.metrics['candidate']['auc']:.4f}" in verdict.reasons[0]
    assert "below the margin of -0.0100" in verdict.reasons[0]


def test_slightly_worse_within_the_margin_needs_enough_data() -> None:
    noise = {"candidate": 0.55, "champion": 0.5, "trees": 2.0}
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
    assert verdict.reasons == ["The click probability of the candidate is missing or infinite in 1 of 500 rows."]


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("candidate_click", 0.25, "0.2500 in every row"),
        ("candidate_click", 1.5, "outside 0 to 1 in 500 of 500"),
        ("trees_click", np.inf, "The click probability of the trees is missing or infinite"),
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
    assert (verdict.reference, verdict.versions) == ("trees", {})
    assert "other schema" in verdict.reasons[-1]


def test_a_column_that_probably_knows_the_outcome_holds_the_folder_s_candidate(tmp_path) -> None:
    write_frame(tmp_path / "predictions.parquet", fake_predictions(SPEC, noise={"candidate": 0.3, "trees": 2.0}))
    write_json(tmp_path / "metrics.json", {"leaks": {"found": []}})
    assert judge_folder(SPEC, tmp_path).promoted
    write_json(tmp_path / "metrics.json", {"leaks": {"found": [{"sentence": "The column session_events leaks."}]}})
    verdict = judge_folder(SPEC, tmp_path)
    assert not verdict.promoted
    assert verdict.reasons[0] == "The column session_events leaks."


def test_what_was_not_screened_is_a_reason_that_does_not_block(tmp_path) -> None:
    write_frame(tmp_path / "predictions.parquet", fake_predictions(SPEC, noise={"candidate": 0.3, "trees": 2.0}))
    write_json(tmp_path / "metrics.json", {"leaks": {"found": [], "notes": ["click was not screened."]}})
    verdict = judge_folder(SPEC, tmp_path)
    assert verdict.promoted
    assert "click was not screened." in verdict.reasons


@pytest.mark.parametrize("unusable", [None, "ValueError: other schema"])
def test_the_trees_are_compared_by_the_bound_where_a_champion_could_not_be_scored(unusable, tmp_path) -> None:
    noise = {"candidate": 0.5, "trees": 0.5}  # level, in few rows
    write_frame(tmp_path / "predictions.parquet", fake_predictions(SPEC, rows=300, members=60, noise=noise, seed=3))
    write_json(tmp_path / "metrics.json", {"champion_version": unusable and "2", "champion_unusable": unusable})
    spec = SPEC.model_copy(update={"gate": SPEC.gate.model_copy(update={"floor_margin": 0.2})})
    verdict = judge_folder(spec, tmp_path)
    assert verdict.promoted == (unusable is None)
    assert any("itself was tested, not its lower bound" in reason for reason in verdict.reasons) == (unusable is None)
    assert ("of the trees, in the champion's place" in verdict.reasons[0]) == (unusable is not None)


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
    same = pd.DataFrame(predictions).assign(trees_click=predictions["candidate_click"])
    verdict = judge(with_margin(0.0), same)
    assert verdict.promoted
    assert verdict.metrics["difference"] == {"auc": 0.0, "low": 0.0, "high": 0.0}


def calibrated(rows: int = 6000) -> pd.DataFrame:
    """A good candidate beside champion and floor, calibrated on both tasks."""
    predictions = fake_predictions(SPEC, rows=rows, noise={"candidate": 0.2, "champion": 0.2, "trees": 1.5})
    generator = np.random.default_rng(1)
    likely = generator.beta(2, 4, len(predictions))
    liked = np.where(predictions["label_click"] == 1, generator.random(len(predictions)) < likely, np.nan)
    return predictions.assign(label_like=liked, candidate_like=likely, champion_like=likely, trees_like=likely**0.9)


CLICK, LIKE = "candidate_click", "candidate_like"
SPOILED = {
    "divided by 100": (CLICK, lambda p: p / 100, "gate.mean_ratio"),
    "times 1.5": (CLICK, lambda p: np.minimum(1.5 * p, 1), "gate.mean_ratio"),
    "plus .2": (CLICK, lambda p: np.minimum(p + 0.2, 1), "gate.mean_ratio"),
    "all near their mean": (CLICK, lambda p: p.mean() + (p - p.mean()) / 1000, "gate.ece"),
    "too sure": (CLICK, lambda p: p**3 / (p**3 + (1 - p) ** 3), "gate.ece"),
    "another task at random": (LIKE, lambda p: np.random.default_rng(0).permutation(p), "like AUC"),
    "another task upside down": (LIKE, lambda p: 1 - p, "like AUC"),
    "another task divided by 100": (LIKE, lambda p: p / 100, "like calibration"),
    "another task constant": (LIKE, lambda p: 0 * p + 0.3, "0.3000 in every row"),
    "another task above 1": (LIKE, lambda p: p + 1, "outside 0 to 1"),
    "another task missing in a row": (LIKE, lambda p: np.where(np.arange(len(p)) == 4, np.nan, p), "missing or"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_every_task_and_its_calibration_are_judged(name: str) -> None:
    predictions = calibrated()
    column, spoil, words = SPOILED[name]
    assert judge(SPEC, predictions).promoted
    verdict = judge(SPEC, predictions.assign(**{column: spoil(predictions[column].to_numpy())}))
    assert verdict.decision == "hold"
    assert any(words in reason for reason in verdict.reasons)
    json.dumps(verdict.to_json(), allow_nan=False)


def test_bounds_of_a_single_task_take_the_place_of_the_gate_s() -> None:
    predictions = calibrated()
    predictions[LIKE] /= 2
    assert not judge(SPEC, predictions).promoted
    bounds = {"tasks": {"like": TaskBounds(mean_ratio=[0.3, 3.0], ece=0.5)}}
    assert judge(SPEC.model_copy(update={"gate": SPEC.gate.model_copy(update=bounds)}), predictions).promoted


def test_a_mean_ratio_is_checked_where_few_labels_are_positive() -> None:
    generator, predictions = np.random.default_rng(0), calibrated()
    likely = generator.uniform(0.02, 0.06, len(predictions))
    rare = {"label_like": (generator.random(len(predictions)) < likely).astype(float), "champion_like": likely}
    predictions = predictions.assign(**rare, trees_like=likely)
    inside = (predictions["window"] == "gate") & (predictions["state"] == "as_of")
    assert predictions.loc[inside, "label_like"].sum() >= 10
    assert judge(SPEC, predictions.assign(candidate_like=likely)).promoted
    assert judge(SPEC, predictions.assign(candidate_like=likely / 100)).decision == "hold"


def test_calibration_of_another_task_is_compared_with_the_best_reference() -> None:
    predictions = calibrated()
    off = predictions["candidate_like"] * 0.8
    worse = {"champion_like": off, "candidate_like": predictions["candidate_like"] * 0.65}
    bounds = SPEC.gate.model_copy(update={"mean_ratio": [0.01, 100.0], "surface_ratio": [0.01, 100.0]})
    verdict = judge(SPEC.model_copy(update={"gate": bounds}), predictions.assign(**worse))
    assert any("like calibration: the expected calibration error" in reason for reason in verdict.reasons)
    assert not verdict.promoted


def test_a_low_confidence_puts_no_figure_outside_of_its_interval() -> None:
    spec = SPEC.model_copy(update={"gate": SPEC.gate.model_copy(update={"confidence": 0.51})})
    verdict = judge(spec, fake_predictions(SPEC, noise={"candidate": 0.3, "champion": 1.0, "trees": 2.0}))
    assert not [reason for reason in verdict.reasons if "its own interval" in reason]


@pytest.mark.parametrize("rows", [150, 300, 800])
@pytest.mark.parametrize("seed", range(6))
def test_small_windows_do_not_hold_by_chance(rows: int, seed: int) -> None:
    predictions = fake_predictions(with_margin(0.2), rows=rows, members=80, noise={"candidate": 0.1}, seed=seed)
    generator = np.random.default_rng(seed)
    predictions["label_like"] = (generator.random(len(predictions)) < 0.01).astype(float)
    predictions["candidate_like"] = generator.uniform(0.005, 0.015, len(predictions))
    for task in SPEC.tasks:
        predictions[f"trees_{task}"] = predictions[f"candidate_{task}"]
    verdict = judge(with_margin(0.2), predictions)
    assert verdict.promoted, verdict.reasons
    assert any("like was not compared" in reason for reason in verdict.reasons)


def test_a_surface_that_is_off_holds_on_the_primary_task_and_is_reported_on_others() -> None:
    predictions = calibrated()
    feed = (predictions["surface"] == "feed").to_numpy()
    verdict = judge(SPEC, predictions.assign(**{CLICK: np.where(feed, predictions[CLICK] / 3, predictions[CLICK])}))
    assert not verdict.promoted
    assert any("on feed" in reason and "gate.surface_ratio" in reason for reason in verdict.reasons)
    less = predictions.assign(**{LIKE: np.where(feed, predictions[LIKE] * 0.7, predictions[LIKE])})
    assert any("like calibration on feed" in reason for reason in judge(SPEC, less).reasons)


def test_a_figure_outside_of_its_own_interval_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    predictions = calibrated(3000)
    assert judge(SPEC, predictions).promoted
    drawn = UserBootstrap.draws
    monkeypatch.setattr(UserBootstrap, "draws", lambda *given: drawn(*given) + 0.2)
    verdict = judge(SPEC, predictions)
    assert not verdict.promoted
    assert "outside its own interval" in verdict.reasons[0]


def test_it_is_not_below_the_floor_and_not_worse_than_an_earlier_version() -> None:
    noise = {"candidate": 0.8, "champion": 1.2, "version_3": 0.4, "trees": 2.0}
    verdict = judge(SPEC, fake_predictions(SPEC, noise=noise), {"champion": "4"}, "3")
    assert verdict.best == "3"
    assert not verdict.promoted
    assert "of the version 3" in verdict.reasons[0]
    better = judge(SPEC, fake_predictions(SPEC, noise={**noise, "candidate": 0.05}), {"champion": "4"}, "3")
    assert (better.promoted, better.best) == (True, None)
    below = judge(SPEC, fake_predictions(SPEC, noise={**noise, "version_3": 1.2, "trees": 0.5}), {"champion": "4"})
    assert "below the floor" in below.reasons[0]
    broken = fake_predictions(SPEC, noise={**noise, "candidate": 0.1}).assign(version_3_click=np.nan)
    assert any("was not compared" in reason for reason in judge(SPEC, broken).reasons)


def test_losses_within_the_margin_do_not_add_up() -> None:
    found = Retrainings(product(), rows=8000).run([0.0009] * 24)
    assert found[0] - min(found) <= 1.25 * product().gate.margin
