"""The evaluate component: of versions that serve a refit, the weights that their gate judged are scored."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from kfp import dsl

from components.evaluate import evaluate
from components.services import Services
from models.training.artifact import Model, load_model, save_model
from models.training.devices import best_device
from models.training.files import write_json
from monitoring.documents import read_json
from monitoring.ledger import Ledger
from tests.components.specs import artifact
from tests.monitoring.test_evaluation import FakeProduct

STORE = Path(__file__).resolve().parent.parent.parent / "feature_repo" / "feature_store.yaml"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> FakeProduct:
    return FakeProduct(tmp_path_factory.mktemp("product"))


def version(product: FakeProduct, folder: Path, keeps_judged: bool) -> Path:
    """A version that serves a refit of model1, on days until the gate window's last one."""
    model, until = load_model(product.folder / "model1"), product.spec.last_gate_day.start
    windows = tuple(replace(w, end=until) if w.name == "validate" else w for w in model.schema.seeds.windows)
    save_model(replace(model, schema=replace(model.schema, seeds=replace(model.schema.seeds, windows=windows))), folder)
    if keeps_judged:
        shutil.copytree(product.folder / "model1", folder / "judged")
    return folder


def run(product: FakeProduct, folder: Path, bundles: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an evaluation of model0 with champion 4 and version 3."""

    class FakeRegistry:
        def __init__(self, tracking_uri: str) -> None:
            pass

        def champion(self, name: str) -> str:
            return "4"

        def promoted(self, name: str, most: int) -> list[str]:
            return ["4", "3"]

        def best(self, name: str) -> str:
            return "3"

        def download(self, name: str, version: str, folder: Path) -> Path:
            shutil.copytree(bundles[version], folder)
            return folder

    monkeypatch.setattr("serving.versions.registry.Registry", FakeRegistry)
    inputs = {"tables": "tables", "training_set": "set", "graph": "graph", "model": "model0"}
    evaluate.python_func(
        spec=artifact(product.spec, folder),
        services=Services.embedded("run-1", folder / "state", STORE).to_json(),
        **{name: dsl.Artifact(name=name, uri=str(product.folder / path)) for name, path in inputs.items()},
        evaluation=dsl.Dataset(name="evaluation", uri=str(folder / "evaluation")),
        metrics=dsl.Metrics(name="metrics", uri=str(folder / "metrics")),
        roc=dsl.ClassificationMetrics(name="roc", uri=str(folder / "roc")),
    )
    return folder / "evaluation"


def test_the_judged_weights_of_champion_and_earlier_versions_are_scored(
    product: FakeProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the device that is the best here, all of them."""
    loaded = list[str]()

    def load(folder: Path, device: str = "another") -> Model:
        loaded.append(device)
        return load_model(folder, device)

    bundles = {name: version(product, tmp_path / name, keeps_judged=True) for name in ("4", "3")}
    with monkeypatch.context() as patched:
        patched.setattr("models.training.artifact.load_model", load)
        folder = run(product, tmp_path, bundles, monkeypatch)
    assert loaded == [best_device()] * 3
    product.evaluate(champion=product.folder / "model1")
    expected = pd.read_parquet(product.folder / "out" / "predictions.parquet")
    found = pd.read_parquet(folder / "predictions.parquet")
    pd.testing.assert_series_equal(found["champion_click"], expected["champion_click"])
    here = (found["window"] == "gate") & (found["state"] == "as_of")
    assert found.loc[here, "version_3_click"].tolist() == expected.loc[here, "champion_click"].tolist()
    document = read_json(folder / "metrics.json")
    assert (document["champion_unusable"], document["earlier"]["skipped"]) == (None, {})
    ledger = Ledger(Services.embedded("", tmp_path / "state", STORE).tracking_uri, "run-1", product.spec.name)
    counts = read_json(product.folder / "graph" / "manifest.json")["counts"]
    assert ledger.read(tmp_path / "read").notes["graph"] == counts, "the graph may have come from the cache"


def test_a_champion_of_the_first_release_keeps_no_candidate_from_being_judged(
    product: FakeProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = {name: version(product, tmp_path / name, keeps_judged=False) for name in ("4", "3")}
    for bundle in bundles.values():
        manifest = read_json(bundle / "manifest.json")
        write_json(bundle / "manifest.json", {**manifest, "format": 1})
    document = read_json(run(product, tmp_path, bundles, monkeypatch) / "metrics.json")
    for reason in (document["champion_unusable"], document["earlier"]["skipped"]["3"]):
        assert "expected format 2, 3 or 4; found 1: use the release that wrote it" in reason


def test_without_judged_weights_a_version_that_saw_gate_days_is_skipped_with_the_reason(
    product: FakeProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundles = {name: version(product, tmp_path / name, keeps_judged=False) for name in ("4", "3")}
    folder = run(product, tmp_path, bundles, monkeypatch)
    document = read_json(folder / "metrics.json")
    reason = "expected training to end before the gate window (2023-12-02T00:00:00+00:00); found 2023-12-03T00:00:00"
    assert f"champion: {reason}" in document["champion_unusable"]
    assert f"version 3: {reason}" in document["earlier"]["skipped"]["3"]
    columns = pd.read_parquet(folder / "predictions.parquet").columns
    assert not [name for name in columns if name.startswith(("champion_", "version_"))]
