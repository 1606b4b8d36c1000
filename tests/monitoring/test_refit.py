"""A refit serves only if it passes on the gate window's last day."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.graph.fakes import DAY, fake_graph
from models.spec import Spec
from models.time_units import iso
from models.training.artifact import load_model, save_model
from monitoring import refit as module
from monitoring.documents import read_json, write_json
from monitoring.errors import EvaluationError, PredictionsError
from monitoring.gate import judge
from monitoring.refit import check_refit, compare, embeddings_of, untrained, with_check
from tests.factories import specs
from tests.monitoring.fakes import DOCUMENT, fake_predictions, sigmoid
from tests.monitoring.test_evaluation import FakeProduct, save_fresh_model

SPEC = specs.spec_of({**DOCUMENT, "windows": specs.windows(gate=3), "gate": {**DOCUMENT["gate"], "refit": True}})
BEST = {"candidate": 0.3, "judged": 0.3}


def last_day(noise: dict[str, float], rows: int = 3000, spec: Spec = SPEC) -> pd.DataFrame:
    """As-of rows of the last gate day; both scorers are calibrated where their noise is small."""
    found = fake_predictions(spec, rows, noise=noise)
    found["time"] = pd.Timestamp(iso(spec.last_gate_day.start))
    return found[(found["window"] == "gate") & (found["state"] == "as_of")].reset_index(drop=True)


def test_weights_as_good_as_the_judged_ones_serve() -> None:
    frame = last_day(BEST)
    frame["judged_click"] = frame["candidate_click"]
    found = compare(SPEC, frame, until="2026-01-08")
    assert found.serves
    assert found.reasons[0] == (
        f"On {iso(SPEC.last_gate_day.start)}, the gate window's last day, the refit was checked: the weights of the "
        "refit serve."
    )
    assert found.metrics["click"]["difference"] == {"auc": 0.0, "low": 0.0, "high": 0.0}
    assert found.day == {"start": "2026-01-08T00:00:00+00:00", "end": "2026-01-09T00:00:00+00:00"}
    assert found.until == "2026-01-08"
    assert found.to_json() == compare(SPEC, frame, until="2026-01-08").to_json()


def test_weights_that_rank_worse_do_not_serve() -> None:
    found = compare(SPEC, last_day({"candidate": 1.5, "judged": 0.1}))
    assert not found.serves
    assert "the judged weights serve" in found.reasons[0]
    assert "of the judged weights: a difference of -0." in found.reasons[1]
    assert "which is below the margin of -0.0100" in found.reasons[1]


def test_better_weights_that_are_not_calibrated_do_not_serve() -> None:
    frame = last_day({"candidate": 0.1, "judged": 1.0})
    assert compare(SPEC, frame).serves
    chance = frame["candidate_click"].to_numpy()
    frame["candidate_click"] = sigmoid(np.log(chance / (1 - chance)) + 1.5)
    found = compare(SPEC, frame)
    assert not found.serves
    assert any("click calibration" in reason for reason in found.reasons[1:2])


def test_another_task_that_clearly_loses_blocks() -> None:
    frame = last_day(BEST)
    frame["judged_click"] = frame["candidate_click"]
    frame["candidate_like"] = frame["judged_like"] = 0.3 + 0.001 * np.random.default_rng(1).random(len(frame))
    assert compare(SPEC, frame).serves
    frame["judged_like"] += 0.01 * frame["label_like"].fillna(0)
    found = compare(SPEC, frame)
    assert not found.serves
    assert found.reasons[1].startswith("like AUC")


@pytest.mark.parametrize(
    ("rows", "reason"), [(60, "holds 60 rows with a click label"), (0, "holds 0 rows with a click label")]
)
def test_a_day_of_too_few_rows_keeps_the_judged_weights(rows: int, reason: str) -> None:
    found = compare(SPEC, last_day(BEST)[:rows])
    assert not found.serves
    assert f"The gate window's last day {reason}; at least 100 are needed." in found.reasons


def test_a_task_of_too_few_labels_does_not_block() -> None:
    frame = last_day(BEST)
    frame["judged_click"] = frame["candidate_click"]
    frame["label_like"] = np.where(np.arange(len(frame)) < 5, 1.0, np.nan)
    found = compare(SPEC, frame)
    assert found.serves
    assert "like was not compared on the gate window's last day: too few labels." in found.reasons


def test_missing_probabilities_of_any_row_block() -> None:
    frame = last_day(BEST)
    frame.loc[0, "candidate_like"] = np.nan
    found = compare(SPEC, frame)
    assert not found.serves
    assert "like probability of the candidate is missing or infinite in 1 of 3000 rows" in found.reasons[1]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(PredictionsError, match="label_click"):
        compare(SPEC, last_day(BEST).drop(columns="label_click"))


def test_a_refit_that_could_not_be_trained_does_not_serve() -> None:
    found = untrained(SPEC, "the loss is NaN.")
    assert not found.serves
    assert found.reasons == ["The refit failed, so the judged weights serve: the loss is NaN."]
    assert found.until == ""


def test_the_check_is_part_of_the_verdict(tmp_path: Path) -> None:
    verdict = judge(SPEC, fake_predictions(SPEC, noise={"candidate": 0.3, "trees": 1.0}))
    found = compare(SPEC, last_day(BEST))
    write_json(tmp_path / "check", found.to_json())
    together, serves = with_check(verdict, tmp_path / "check")
    assert serves is found.serves
    assert together.reasons == [*verdict.reasons, *found.reasons]
    assert (verdict.refit, {**(together.refit or {}), "embeddings": {}}) == (None, read_json(tmp_path / "check"))
    assert together.decision == verdict.decision
    json.dumps(together.to_json(), allow_nan=False)


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> FakeProduct:
    found = FakeProduct(tmp_path_factory.mktemp("product"))
    found.evaluate()
    return found


def test_only_the_last_gate_day_is_read(product: FakeProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = list[pd.DataFrame]()
    original = module.compare
    monkeypatch.setattr(
        module, "compare", lambda spec, frame, until: frames.append(frame) or original(spec, frame, until)
    )
    out, graph = product.folder / "out", product.folder / "graph"
    for model in ("model1", "model0"):
        check_refit(product.spec, graph, out, product.folder / model)
    other, same = frames
    everything = pd.read_parquet(out / "predictions.parquet")
    start, end = (pd.Timestamp(iso(time)) for time in product.spec.last_gate_day)
    expected = everything[
        (everything["time"] >= start) & (everything["time"] < end) & (everything["state"] == "as_of")
    ].reset_index(drop=True)
    assert 0 < len(expected) < (everything["window"] == "gate").sum() / 2
    for frame in frames:
        assert frame["key"].tolist() == expected["key"].tolist()
        for task in product.spec.tasks:
            assert frame[f"judged_{task}"].tolist() == expected[f"candidate_{task}"].tolist()
    np.testing.assert_allclose(same["candidate_click"], expected["candidate_click"], rtol=1e-6)
    assert not np.allclose(other["candidate_click"], expected["candidate_click"], rtol=1e-3)


def test_the_check_says_until_when_the_refit_was_trained(product: FakeProduct, tmp_path: Path) -> None:
    model = load_model(product.folder / "model1")
    until = product.spec.last_gate_day.start
    windows = tuple(replace(w, end=until) if w.name == "validate" else w for w in model.schema.seeds.windows)
    schema = replace(model.schema, seeds=replace(model.schema.seeds, windows=windows))
    save_model(replace(model, schema=schema), tmp_path / "refit")
    found = check_refit(product.spec, product.folder / "graph", product.folder / "out", tmp_path / "refit")
    write_json(tmp_path / "check.json", found.to_json())
    own, judged = (embeddings_of(product.folder / "out", check) for check in (tmp_path / "check.json", None))
    assert own["item"]["rows"] == judged["item"]["rows"] == 30
    assert own["item"]["mean"] != judged["item"]["mean"]  # of other weights
    assert embeddings_of(tmp_path, None) == {}
    assert found.until == iso(until) == iso(product.spec.span("gate").end - DAY)


def test_another_graph_is_refused(product: FakeProduct, tmp_path: Path) -> None:
    graph = fake_graph(members=40, items=30, impressions=300)
    graph.save(tmp_path / "graph")
    save_fresh_model(graph, 0, tmp_path / "model")
    with pytest.raises(EvaluationError, match="Evaluate on this graph"):
        check_refit(product.spec, tmp_path / "graph", product.folder / "out", tmp_path / "model")
