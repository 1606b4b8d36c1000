import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies import fitting
from benchmarks.studies.changes import OneTask
from benchmarks.studies.errors import StudyError
from benchmarks.studies.fitting import fit_rows
from benchmarks.studies.plain_trees import PLAIN
from benchmarks.studies.predictions import find, read
from benchmarks.studies.row import AS_OF, PARTS, Row, Seen
from models.graph.store import TemporalGraph
from models.metrics import auc
from models.training.artifact import load_model
from models.training.predict import predict
from tests.benchmarks.studies.small import setting, stored_graph

FULL = Row("full model")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which one row is fitted with one seed."""
    folder = tmp_path_factory.mktemp("study")
    stored_graph(folder)
    fit_rows(setting(folder), [FULL], [1], say=lambda text: None)
    return folder


def graph_of(place: Path) -> TemporalGraph:
    return TemporalGraph.load(place / "graph")


def test_a_file_holds_the_models_probabilities_and_what_made_it(place: Path) -> None:
    where, graph = setting(place), graph_of(place)
    digest = where.digest(FULL, 1, graph)
    path = find(where.predictions, digest)
    assert path is not None
    assert path.name == f"full_model-1-{digest}.parquet"
    found, rows = read(path), graph.seeds.rows("test")
    assert found.keys.to_pylist() == graph.seeds.keys.take(rows.numpy()).to_pylist()
    model = load_model(where.model_folder(FULL, 1, graph))
    for state in ("as_of", "frozen"):
        np.testing.assert_allclose(found.scores[state], predict(model, graph, rows, state), atol=1e-6)  # type: ignore[arg-type]
    note = found.note
    assert (note["row"], note["seed"], note["commit"], note["window"]) == ("full model", 1, "abc123", "test")
    assert note["graph"] == graph.manifest["digest"]
    assert note["recipe"]["training"]["seed"] == 1


def test_what_is_there_is_not_fitted_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "fit", None)  # calling it would raise
    where = setting(place)
    lines: list[str] = []
    fit_rows(where, [FULL, Row("the same by another name")], [1], say=lines.append)
    assert lines == ["2 rows, 1 seeds: 0 to fit on cpu, 1 at a time"]
    fit_rows(replace(where, window="gate"), [FULL], [1], say=lines.append)  # another window needs no other fit
    # Nor do older tokens; what was there stays.
    old = replace(FULL, seen=(AS_OF, Seen("as_of", 86_400)))
    fit_rows(where, [old], [1], say=lines.append)
    path = find(where.predictions, where.digest(old, 1, graph_of(place)))
    assert path is not None
    found = read(path)
    assert set(found.scores) == {"as_of", "frozen", "as_of+86400s"}
    assert not np.allclose(found.scores["as_of"], found.scores["as_of+86400s"])
    assert found.note["summary"]["epochs"] >= 1


def test_a_pair_has_the_network_of_its_row_without_trees(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where, graph, row = setting(place), graph_of(place), Row("pair", {"trees": True}, seen=PARTS)
    monkeypatch.setattr(fitting, "fit", None)  # the network of FULL is there
    monkeypatch.setattr(fitting, "add_trees", partial(fitting.add_trees, trials=1))
    fit_rows(where, [row], [1], say=lambda text: None)
    found, alone = (read(find(where.predictions, where.digest(one, 1, graph)) or Path()) for one in (row, FULL))
    assert set(found.scores) == {seen.name for seen in PARTS}
    np.testing.assert_allclose(found.scores["network as_of"], alone.scores["as_of"], atol=1e-6)
    assert not np.allclose(found.scores["as_of"], found.scores["trees as_of"])
    assert load_model(where.model_folder(row, 1, graph)).trees is not None


def test_networks_alone_score_nothing(place: Path) -> None:
    where, row = replace(setting(place), networks=True), Row("narrow pair", {"width": 4, "trees": True})
    fit_rows(where, [row, Row("popularity", baseline="popularity")], [7], say=lambda text: None)
    graph = graph_of(place)
    assert find(where.predictions, where.digest(row, 7, graph)) is None
    assert (where.network_folder(row, 7, graph) / "manifest.json").is_file()
    assert not where.model_folder(row, 7, graph).exists()


def test_plain_trees_rank_clicks(place: Path) -> None:
    where, graph, row = setting(place), graph_of(place), Row("plain", baseline=PLAIN)
    fit_rows(where, [row], [1], say=lambda text: None)
    found = read(find(where.predictions, where.digest(row, 1, graph)) or Path())
    scores, rows = found.scores["as_of"], graph.seeds.rows("test")
    assert ((scores > 0) & (scores < 1)).all()
    assert auc(graph.seeds.labels[rows, 0].double().numpy(), scores[:, 0]) > 0.6


def test_rows_of_one_recipe_are_one_fit(place: Path) -> None:
    lines: list[str] = []
    fit_rows(setting(place), [Row("one", {"width": 4}), Row("another", {"width": 4})], [5], say=lines.append)
    assert lines[0].startswith("2 rows, 1 seeds: 1 to fit")


def test_one_rows_failure_does_not_cost_the_others(place: Path) -> None:
    where = setting(place)
    rows = [Row("wrong", change=OneTask("share")), Row("unknown", baseline="oracle"), Row("narrow", {"width": 4})]
    with pytest.raises(StudyError, match=r"2 of 3 fits failed(.|\n)*expected one of click, dwell(.|\n)*oracle"):
        fit_rows(where, rows, [1], say=lambda text: None)
    assert find(where.predictions, where.digest(rows[2], 1, graph_of(place)))


@dataclass(frozen=True)
class Dies:
    """A change that ends the process, as running out of memory does."""

    def __call__(self, graph: TemporalGraph) -> TemporalGraph:
        os._exit(9)


def test_a_process_that_dies_costs_its_own_fit(tmp_path: Path) -> None:
    graph, where = stored_graph(tmp_path), setting(tmp_path)
    rows = [Row("dies", change=Dies()), Row("narrow", {"width": 4}), Row("narrower", {"width": 2})]
    lines: list[str] = []
    with pytest.raises(StudyError, match="1 of 3 fits failed; the others are kept:\ndies, seed 1: BrokenProcessPool"):
        fit_rows(where, rows, [1], jobs=2, say=lines.append, devices=["cpu", "cpu"])
    assert [bool(find(where.predictions, where.digest(row, 1, graph))) for row in rows] == [False, True, True]
    assert len(lines) == 4


def test_every_device_has_a_process(place: Path) -> None:
    with pytest.raises(StudyError, match="at least one for each of 2 devices; found 1"):
        fit_rows(setting(place), [FULL], [1], jobs=1, say=lambda text: None, devices=["cpu", "cpu"])


def test_several_at_a_time_give_what_one_gives(place: Path) -> None:
    where, graph = setting(place), graph_of(place)
    other = replace(where, predictions=place / "parallel")
    fit_rows(other, [FULL], [1], jobs=2, say=lambda text: None)
    digest = where.digest(FULL, 1, graph)
    one, other_one = (read(find(folder, digest) or Path()) for folder in (where.predictions, other.predictions))
    for state in ("as_of", "frozen"):
        np.testing.assert_allclose(one.scores[state], other_one.scores[state], atol=1e-5)


def test_the_digest_tells_whatever_decides_a_fit(place: Path) -> None:
    where, graph = setting(place), graph_of(place)
    rows = [FULL, Row("", {"width": 4}), Row("", training={"epochs": 1}), Row("", state="as_of")]
    rows += [Row("", baseline="trees"), Row("", change=OneTask("click")), Row("", change=OneTask("dwell"))]
    digests = [where.digest(row, 1, graph) for row in rows]
    digests += [where.digest(FULL, 2, graph), replace(where, window="gate").digest(FULL, 1, graph)]
    assert len(set(digests)) == len(digests)
    assert where.digest(replace(FULL, name="x", seen=(AS_OF,)), 1, graph) == digests[0]
    faster = replace(where, training=replace(where.training, learning_rate=1.0))
    assert faster.digest(rows[4], 1, graph) == digests[4]  # trees know no learning rate
    assert faster.digest(FULL, 1, graph) != digests[0]


def test_windows_that_were_learnt_from_and_files_of_others_are_refused(place: Path) -> None:
    with pytest.raises(StudyError, match="expected one after train and validate; found 'validate'"):
        fit_rows(replace(setting(place), window="validate"), [FULL], [1])
    with pytest.raises(StudyError, match="expected keys of ModelConfig and TrainingConfig"):
        fit_rows(setting(place), [Row("wrong", {"depth": 3})], [1])
    (place / "broken.parquet").write_bytes(b"nothing")
    with pytest.raises(StudyError, match="expected a file of predictions"):
        read(place / "broken.parquet")
