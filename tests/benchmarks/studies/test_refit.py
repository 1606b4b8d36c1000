"""The study of the refit, from fits to its page, on a fake graph."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies import refit
from benchmarks.studies.errors import StudyError
from benchmarks.studies.predictions import find, read
from benchmarks.studies.refit_fits import LINES, PRODUCT, name_of
from benchmarks.studies.refit_page import World
from models.graph.store import TemporalGraph
from models.training.artifact import load_model
from models.training.predict import predict
from tests.factories import specs
from tests.models.training.small import MODEL, TRAINING
from tests.monitoring.test_evaluation import DOCUMENT, FakeProduct

SPEC = specs.spec_of(DOCUMENT, "fake.yaml")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A world as ``prepare`` leaves it, with fits of seed 1 and 2."""
    folder = FakeProduct(tmp_path_factory.mktemp("world")).folder
    (folder / "spec.json").write_text(SPEC.model_dump_json(by_alias=True), encoding="utf-8")
    short = asdict(replace(TRAINING, epochs=1))
    product = {"model": asdict(MODEL), "training": short, "until": SPEC.last_gate_day.start}
    (folder / PRODUCT).write_text(json.dumps(product), encoding="utf-8")
    refit.main(["fit", str(folder), "--seeds", "1", "2", "--device", "cpu", "--commit", "abc123"])
    return folder


def test_every_line_is_scored_on_the_last_gate_day_and_after_the_gate(world: Path) -> None:
    graph = TemporalGraph.load(world / "graph")
    seeds = graph.seeds
    late = seeds.time[seeds.rows("gate")] >= SPEC.last_gate_day.start
    expected = {"gate": seeds.rows("gate")[late], "test": seeds.rows("test")}
    for line in LINES:
        for window, rows in expected.items():
            path = find(world / "predictions", name_of(line, 2, window))
            assert path is not None
            found = read(path)
            assert found.keys.equals(seeds.keys.take(rows.numpy()))
            model = load_model(world / "models" / f"{line}_2")
            np.testing.assert_allclose(found.scores["frozen"], predict(model, graph, rows, "frozen"), atol=1e-6)
            assert (found.note["seed"], found.note["commit"]) == (2, "abc123")
    assert load_model(world / "models" / "refit_2").seen_until == SPEC.last_gate_day.start


def test_the_page_shows_the_gain_and_which_weights_the_check_chose(world: Path, tmp_path: Path) -> None:
    assert refit.main(["table", str(world), "--out", str(tmp_path)]) == 0
    page = (tmp_path / "refit.md").read_text(encoding="utf-8")
    assert "train 11-24 to 11-29, validate 11-30 to 12-01, gate 12-02 to 12-03, scored 12-04 to 12-05" in page
    assert "checked on 12-03" in page
    figures = json.loads((tmp_path / "refit.json").read_text(encoding="utf-8"))[world.name]
    assert figures["click"]["auc"]["value"] == pytest.approx(np.mean(figures["click"]["auc"]["seeds"]))
    assert {seed: check["serves"] for seed, check in figures["checks"].items()} == {"1": False, "2": False}
    assert page.count("| judged |") == 2


def test_a_world_without_fits_is_an_error(world: Path, tmp_path: Path) -> None:
    for name in ("spec.json", PRODUCT, "graph"):
        (tmp_path / name).symlink_to(world / name)
    with pytest.raises(StudyError, match="run the step fit first"):
        World.read(tmp_path)
