"""Earlier promoted versions are scored on the gate window, or skipped with a reason."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.graph.fakes import fake_graph
from models.graph.store import TemporalGraph
from models.training.artifact import load_model
from models.training.predict import predict
from monitoring.documents import read_json
from monitoring.earlier import score_earlier
from monitoring.gate import judge_folder
from tests.monitoring.test_evaluation import FakeProduct, save_fresh_model, save_late_model


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> FakeProduct:
    return FakeProduct(tmp_path_factory.mktemp("product"))


def gone() -> Path:
    raise FileNotFoundError("bundle of version 2: expected its artifacts; found none.")


def test_an_earlier_version_is_scored_on_the_gate_window_in_as_of_state(product: FakeProduct) -> None:
    product.evaluate(champion=product.folder / "model1")
    before = pd.read_parquet(product.folder / "out" / "predictions.parquet")
    lines: list[str] = []
    folder, graph = product.folder / "out", product.folder / "graph"
    fetch = {"6": lambda: product.folder / "model1"}
    assert score_earlier(product.spec, graph, folder, fetch, "6", lines.append) == {}
    found = pd.read_parquet(folder / "predictions.parquet")
    here = (found["window"] == "gate") & (found["state"] == "as_of")
    for task in ("click", "dwell"):
        pd.testing.assert_series_equal(
            found.loc[here, f"version_6_{task}"], found.loc[here, f"champion_{task}"], check_names=False
        )
        assert found.loc[~here, f"version_6_{task}"].isna().all()
    pd.testing.assert_frame_equal(found[before.columns], before)
    assert read_json(folder / "metrics.json")["earlier"] == {"scored": ["6"], "skipped": {}, "best": "6"}
    assert lines == ["  version 6, promoted before: 1 of 1"]
    verdict = judge_folder(product.spec, folder)
    assert verdict.metrics["earlier"]["6"]["auc"] == verdict.metrics["reference"]["auc"]
    assert verdict.versions == {"champion": "7"}


def test_what_cannot_be_scored_is_named_and_skipped(product: FakeProduct, tmp_path: Path) -> None:
    graph = fake_graph(members=40, items=30, impressions=1500)
    tasks = (graph.schema.seeds.tasks[0], replace(graph.schema.seeds.tasks[1], name="share"))
    graph.schema = replace(graph.schema, seeds=replace(graph.schema.seeds, tasks=tasks))
    save_fresh_model(graph, 2, tmp_path / "schema")
    save_late_model(tmp_path / "late")
    product.evaluate(champion=product.folder / "model1")
    folder = product.folder / "out"
    fetch = {"2": gone, "3": lambda: tmp_path / "schema", "4": lambda: tmp_path / "late"}
    skipped = score_earlier(product.spec, product.folder / "graph", folder, fetch)
    assert list(skipped) == ["2", "3", "4"]
    assert "expected its artifacts" in skipped["2"]
    assert "share" in skipped["3"]
    assert "version 4: expected training to end before the gate window" in skipped["4"]
    assert not [name for name in pd.read_parquet(folder / "predictions.parquet") if name.startswith("version_")]
    reasons = judge_folder(product.spec, folder).reasons
    assert [reason[:9] for reason in reasons[-3:]] == ["Version 2", "Version 3", "Version 4"]


def test_the_best_version_that_cannot_be_fetched_once_is_not_forgotten(product: FakeProduct) -> None:
    def gone() -> Path:
        raise FileNotFoundError("no such artifact")

    product.evaluate(champion=product.folder / "model1")
    folder = product.folder / "out"
    score_earlier(product.spec, product.folder / "graph", folder, {"3": gone}, "3")
    verdict = judge_folder(product.spec, folder)
    assert verdict.best == "3"
    assert "Version 3 stays the best so far." in verdict.reasons


def test_the_first_training_has_no_earlier_version(product: FakeProduct) -> None:
    product.evaluate()
    before = (product.folder / "out" / "predictions.parquet").read_bytes()
    assert score_earlier(product.spec, product.folder / "graph", product.folder / "out", {}) == {}
    assert (product.folder / "out" / "predictions.parquet").read_bytes() == before
    assert judge_folder(product.spec, product.folder / "out").best is None


def test_what_is_skipped_is_reported_in_a_line_and_the_next_one_is_scored(product: FakeProduct) -> None:
    def broken() -> Path:
        raise OSError("the first line.\nthe second line")

    product.evaluate(champion=product.folder / "model1")
    folder, lines = product.folder / "out", list[str]()
    fetch = {"5": broken, "4": lambda: product.folder / "model0"}
    assert score_earlier(product.spec, product.folder / "graph", folder, fetch, say=lines.append) == {
        "5": "OSError: the first line"
    }
    assert lines == [
        "  version 5, promoted before: 1 of 2",
        "  version 5 is skipped: OSError: the first line",
        "  version 4, promoted before: 2 of 2",
    ]
    found = pd.read_parquet(folder / "predictions.parquet")
    here = (found["window"] == "gate") & (found["state"] == "as_of")
    assert found.loc[here, "version_4_click"].equals(found.loc[here, "candidate_click"].rename("version_4_click"))
    assert read_json(folder / "metrics.json")["earlier"] == {
        "scored": ["4"],
        "skipped": {"5": "OSError: the first line"},
        "best": None,
    }


def test_probabilities_of_an_earlier_version_are_calibrated(product: FakeProduct) -> None:
    """Platt scaling of model1, by its formula."""
    model, graph = load_model(product.folder / "model1"), TemporalGraph.load(product.folder / "graph")
    rows = graph.seeds.rows("gate")
    chance = predict(model, graph, rows, state="as_of", calibrated=False)
    expected = 1 / (1 + np.exp(0.5 - 1.5 * np.log(chance / (1 - chance))))
    by_key = pd.DataFrame(expected, index=graph.seeds.keys.take(rows.numpy()).to_pandas())
    product.evaluate()
    folder = product.folder / "out"
    score_earlier(product.spec, product.folder / "graph", folder, {"6": lambda: product.folder / "model1"})
    found = pd.read_parquet(folder / "predictions.parquet").query("window == 'gate' and state == 'as_of'")
    for place, task in enumerate(("click", "dwell")):
        assert found[f"version_6_{task}"].tolist() == pytest.approx(by_key.loc[found["key"], place].tolist())


def test_long_keys_are_not_rounded(product: FakeProduct, monkeypatch: pytest.MonkeyPatch) -> None:
    product.evaluate(champion=product.folder / "model1")
    path = product.folder / "out" / "predictions.parquet"
    predictions = pd.read_parquet(path)
    predictions["key"] = 2**62 + predictions["key"]
    predictions.to_parquet(path)
    by_key = (
        pd.Series(np.arange(len(predictions)) / len(predictions), index=predictions["key"]).groupby(level=0).first()
    )
    monkeypatch.setattr("monitoring.earlier._probabilities", lambda *given: {"click": by_key})
    score_earlier(product.spec, product.folder / "graph", path.parent, {"6": lambda: product.folder / "model1"})
    found = pd.read_parquet(path)
    here = (found["window"] == "gate") & (found["state"] == "as_of")
    np.testing.assert_array_equal(found.loc[here, "version_6_click"], by_key[found.loc[here, "key"]])
