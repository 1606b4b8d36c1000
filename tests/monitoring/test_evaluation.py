from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from models.calibration import Calibration, Platt
from models.configs.model import ModelConfig
from models.graph.fakes import fake_graph
from models.graph.store import TemporalGraph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.spec import Spec
from models.time_units import HOUR
from models.training.artifact import Model, change_trees, load_model, save_model
from models.trees.errors import TreesError
from models.trees.inputs import TreeInputs
from models.trees.trees import TaskTrees, Trees
from monitoring.comparison import compare_models
from monitoring.documents import read_json
from monitoring.errors import EvaluationError
from monitoring.evaluation import evaluate, roc_points
from tests.factories import specs

DOCUMENT = specs.document(
    name="fake",
    source={"adapter": "hand"},
    edges={"clicked": specs.edge("impressions", specs.MEMBER, specs.ITEM, domain="notification")},
    impressions=specs.impressions(
        surfaces=["email", "push"],
        context={"member_rate": "number", "item_rate": "number", "device": "category"},
        outcomes=["clicked", "dwelt"],
    ),
    tasks={"click": {"label": "clicked", "primary": True}, "dwell": {"label": "dwelt"}},
    windows=specs.windows("2023-11-14", graph=10, train=6, validate=2, gate=2, test=2),
    home_domain="notification",
    gate={"bootstraps": 50},
    oracle={"table": "truth", "probability": "chance"},
)


class FakeProduct:
    """A fake graph with the training set, the tables and two models that go with it, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.spec: Spec = specs.spec_of(DOCUMENT, "fake.yaml")
        self.folder = folder
        graph = fake_graph(members=40, items=30, impressions=1500)
        graph.save(folder / "graph")
        self.frame = training_rows(graph)
        self.write(self.frame)
        (folder / "tables").mkdir()
        chance = np.clip(0.2 + 0.6 * self.frame["clicked"], 0, 1)
        truth = pd.DataFrame({"impression_id": self.frame["impression_id"], "chance": chance})
        truth.to_parquet(folder / "tables" / "truth.parquet")
        save_fresh_model(graph, 0, folder / "model0")
        save_fresh_model(graph, 1, folder / "model1", Platt(1.5, -0.5))

    def write(self, frame: pd.DataFrame) -> None:
        (self.folder / "set").mkdir(exist_ok=True)
        frame.to_parquet(self.folder / "set" / "impressions.parquet")
        frame[frame["window"] != "train"].to_parquet(self.folder / "set" / "frozen.parquet")

    def evaluate(self, champion: Path | None = None) -> dict:
        graph, training_set, tables, candidate, out = (
            self.folder / name for name in ("graph", "set", "tables", "model0", "out")
        )
        version = None if champion is None else ("7", champion)
        return evaluate(self.spec, graph, training_set, tables, candidate, version, out)


def training_rows(graph: TemporalGraph) -> pd.DataFrame:
    """The training set of a fake graph, as feature retrieval writes it: in the order of keys, not of time."""
    seeds, schema = graph.seeds, graph.schema.seeds
    devices = np.array([None, *schema.features[2].vocabulary], dtype=object)
    frame = pd.DataFrame(
        {
            "impression_id": seeds.keys.to_pandas(),
            "member": seeds.member.numpy(),
            "item": seeds.item.numpy(),
            "surface": np.array(schema.surfaces)[seeds.surface.numpy()],
            "time": pd.to_datetime(seeds.time.numpy(), unit="us", utc=True),
            "settled_time": pd.to_datetime(seeds.settled.numpy(), unit="us", utc=True),
            "clicked": np.nan_to_num(seeds.labels[:, 0].numpy()).astype(np.int8),
            "dwelt": np.nan_to_num(seeds.labels[:, 1].numpy()).astype(np.int8),
            "member_rate": seeds.numbers[:, 0].numpy(),
            "item_rate": seeds.numbers[:, 1].numpy(),
            "device": devices[seeds.categories[:, 0].numpy()],
            "window": np.array(seeds.windows)[seeds.window.numpy()],
        }
    )
    return frame.sort_values("impression_id", ignore_index=True)


def save_fresh_model(graph: TemporalGraph, seed: int, folder: Path, platt: Platt | None = None) -> None:
    torch.manual_seed(seed)
    encoding = Encoding.fit(graph, until=int(graph.seeds.time.max()))
    ranker = Ranker(ModelConfig(width=8, heads=2, activities=4), graph.schema, encoding).eval()
    calibration = Calibration({task.name: platt or Platt() for task in graph.schema.seeds.tasks})
    save_model(Model(ranker, encoding, graph.schema, calibration, {}), folder)


def save_late_model(folder: Path) -> None:
    """A model whose validate window ends an hour into the gate window."""
    graph = fake_graph(members=40, items=30, impressions=1500)
    late = tuple(replace(w, end=w.end + HOUR) if w.name == "validate" else w for w in graph.schema.seeds.windows)
    graph.schema = replace(graph.schema, seeds=replace(graph.schema.seeds, windows=late))
    save_fresh_model(graph, 3, folder)


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> FakeProduct:
    return FakeProduct(tmp_path_factory.mktemp("product"))


def test_every_scorer_predicts_both_windows_in_both_states(product: FakeProduct) -> None:
    results = product.evaluate(champion=product.folder / "model1")
    predictions = pd.read_parquet(product.folder / "out" / "predictions.parquet")
    evaluated = product.frame[product.frame["window"].isin(["gate", "test"])]
    for state in ("as_of", "frozen"):
        rows = predictions[predictions["state"] == state].set_index("key").loc[evaluated["impression_id"]]
        assert rows["member"].tolist() == evaluated["member"].tolist()
        assert rows["surface"].tolist() == evaluated["surface"].tolist()
        assert (rows["time"].to_numpy() == evaluated["time"].to_numpy()).all()
        assert rows["oracle"].tolist() == pytest.approx((0.2 + 0.6 * evaluated["clicked"]).tolist())
        for scorer in ("candidate", "champion", "trees", "popularity"):
            assert rows[[f"{scorer}_click", f"{scorer}_dwell"]].stack().between(0, 1).all()
    assert predictions["label_dwell"].isna().any()
    assert not predictions["candidate_click"].equals(predictions["champion_click"])
    assert results["test"]["oracle"]["click"]["auc"] == 1
    document = read_json(product.folder / "out" / "metrics.json")
    assert document["windows"]["gate"]["scores"] == results["gate"]
    assert (document["champion_version"], document["champion_unusable"]) == ("7", None)
    rates = roc_points(product.folder / "out", "click")
    assert rates[0][0] == rates[1][0] == 0
    files = {path.name for path in (product.folder / "out").iterdir()}
    assert files == {"embeddings.json", "predictions.parquet", "metrics.json"}
    norms = read_json(product.folder / "out" / "embeddings.json")
    assert (norms["member"]["rows"], norms["item"]["rows"]) == (40, 30)


def test_frozen_state_differs_from_as_of_state(product: FakeProduct) -> None:
    product.evaluate()
    predictions = pd.read_parquet(product.folder / "out" / "predictions.parquet")
    as_of, frozen = (predictions[predictions["state"] == state] for state in ("as_of", "frozen"))
    assert as_of["key"].tolist() == frozen["key"].tolist()
    assert not np.allclose(as_of["candidate_click"], frozen["candidate_click"])


def test_a_champion_of_another_schema_is_left_out_and_named(product: FakeProduct, tmp_path: Path) -> None:
    graph = fake_graph(members=40, items=30, impressions=1500)
    tasks = (graph.schema.seeds.tasks[0], replace(graph.schema.seeds.tasks[1], name="share"))
    graph.schema = replace(graph.schema, seeds=replace(graph.schema.seeds, tasks=tasks))
    save_fresh_model(graph, 2, tmp_path / "old")
    results = product.evaluate(champion=tmp_path / "old")
    assert "champion" not in results["gate"]
    assert "share" in read_json(product.folder / "out" / "metrics.json")["champion_unusable"]


def test_a_champion_that_was_trained_on_the_gate_window_is_left_out_and_named(
    product: FakeProduct, tmp_path: Path
) -> None:
    save_late_model(tmp_path / "late")
    results = product.evaluate(champion=tmp_path / "late")
    assert "champion" not in results["gate"]
    assert "SeenError" in read_json(product.folder / "out" / "metrics.json")["champion_unusable"]


def test_a_candidate_without_trees_stands_beside_fitted_ones_and_popularity(product: FakeProduct) -> None:
    product.evaluate()
    document = read_json(product.folder / "out" / "metrics.json")
    for window in ("gate", "test"):
        for scorer in ("trees", "popularity"):
            ahead = document["windows"][window]["scores"][scorer]["click"]["ahead"]
            assert list(ahead) == ["auc", "gauc", "log_loss", "ece"]
            assert ahead["auc"]["low"] <= ahead["auc"]["by"] <= ahead["auc"]["high"]
    assert (document["cost"], document["trees"]) == ({}, None)
    assert "your trees" in document["standing"]["sentence"]
    assert document["leaks"]["found"] == []


def test_trees_are_the_floor_of_their_own_product_and_are_timed(product: FakeProduct, tmp_path: Path) -> None:
    graph = TemporalGraph.load(product.folder / "graph")
    save_fresh_model(graph, 0, tmp_path / "network")
    model = load_model(tmp_path / "network")
    columns = TreeInputs.of(model.ranker.config, model.schema, model.encoding).names
    alone = {part: Calibration.none(model.tasks) for part in ("network", "trees")}
    trees = Trees(dict.fromkeys(model.tasks, 1.0), columns, {task: TaskTrees("", 0.5) for task in model.tasks}, alone)
    change_trees(tmp_path / "network", tmp_path / "product", trees, Calibration.none(model.tasks))
    folders = (product.folder / "graph", product.folder / "set", product.folder / "tables", tmp_path / "product")
    evaluate(product.spec, *folders, None, tmp_path / "out")
    predictions, document = (
        pd.read_parquet(tmp_path / "out" / "predictions.parquet"),
        read_json(tmp_path / "out" / "metrics.json"),
    )
    np.testing.assert_array_equal(predictions["candidate_click"], predictions["trees_click"])
    assert document["cost"]["network"] > document["cost"]["trees"] > 0
    # Whether the spec or validation chose the weights: nothing is left to recommend.
    assert "trees serve alone" in document["standing"]["sentence"]
    assert document["standing"]["recommendation"] is None


def test_where_nothing_is_judged_nothing_is_fitted(product: FakeProduct, tmp_path: Path) -> None:
    folders = [product.folder / name for name in ("graph", "set", "tables", "model0")]
    evaluate(product.spec, *folders, None, tmp_path / "out", models_only=True)
    document = read_json(tmp_path / "out" / "metrics.json")
    assert not {"leaks", "standing"} & set(document)
    columns = pd.read_parquet(tmp_path / "out" / "predictions.parquet").columns
    assert {"candidate_click"} == {name for name in columns if name.endswith("_click")} - {"label_click"}


def test_a_floor_that_cannot_be_fitted_is_left_out(
    product: FakeProduct, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise TreesError("trees: expected at most 5000; found 5001")

    monkeypatch.setattr("models.baselines.tuned_trees.fit_trees", fail)
    folders = [product.folder / name for name in ("graph", "set", "tables", "model0")]
    evaluate(product.spec, *folders, None, tmp_path / "out")
    columns = pd.read_parquet(tmp_path / "out" / "predictions.parquet").columns
    assert "popularity_click" in columns
    assert "trees_click" not in columns


def test_a_graph_of_other_impressions_is_refused_and_nothing_written(product: FakeProduct, tmp_path: Path) -> None:
    last = product.frame["impression_id"] == product.frame.loc[product.frame["window"] == "gate", "impression_id"].max()
    product.write(product.frame[~last])
    try:
        with pytest.raises(EvaluationError, match="gate window, as_of state: expected the same impressions"):
            evaluate(
                product.spec,
                product.folder / "graph",
                product.folder / "set",
                product.folder / "tables",
                product.folder / "model0",
                None,
                tmp_path / "out",
            )
    finally:
        product.write(product.frame)
    assert not (tmp_path / "out").exists()


def test_an_impression_without_a_true_probability_is_refused(product: FakeProduct, tmp_path: Path) -> None:
    pd.DataFrame({"impression_id": [0], "chance": [0.5]}).to_parquet(tmp_path / "truth.parquet")
    with pytest.raises(EvaluationError, match="found none for"):
        evaluate(
            product.spec,
            product.folder / "graph",
            product.folder / "set",
            tmp_path,
            product.folder / "model0",
            None,
            tmp_path / "out",
        )


def test_two_models_are_compared_with_the_oracle(product: FakeProduct) -> None:
    first, second = ((product.folder / "graph", product.folder / f"model{seed}") for seed in (0, 1))
    found = compare_models(product.spec, first, second, product.folder / "tables")
    assert found["oracle"] == 1
    assert all(model["way"] == pytest.approx(2 * model["auc"] - 1) for model in found["models"])
    without = compare_models(product.spec, first, second)
    assert without["oracle"] is None
    assert without["difference"] == found["difference"]
