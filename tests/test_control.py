"""The control: where outcomes are shuffled within members there is nothing to rank by, and a GAUC other than .50 is a
leak. (Two states, two metrics: as-of counters give away outcomes of the member's other rows, frozen ones do not.)

A made-up log of 72,000 impressions. Where scores and labels have nothing to do with each other, the GAUC over n rows
has a standard error of about 1 / sqrt(3 n), here .003: .01 is three of them.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_repo.counters import count
from feature_repo.retrieve import retrieve
from models import metrics
from models.baselines.trees import fit_floor
from models.graph.build import build_graph
from models.graph.store import TemporalGraph
from models.training.artifact import load_model
from models.training.predict import predict
from models.training.train import Scope, train
from tests.factories import specs
from tests.feature_repo import tiny

pytestmark = pytest.mark.long(40)

_EDGES = {
    name: specs.edge("impressions", tiny.MEMBER, tiny.POST, filter={"click": [clicked]}, fan_out=[4, 0])
    for name, clicked in (("clicked", 1), ("skipped", 0))
}
PARTS: dict[str, Any] = {
    "edges": {**_EDGES, **tiny.DOCUMENT["edges"]},
    "counters": {
        "member_counts": {"keys": ["member"]},
        "member_surface_counts": {"keys": ["member", "surface"]},
        "member_lately": {"keys": ["member"], "window": "1d", "last": 3},
        "post_counts": {"keys": ["item"]},
    },
    "windows": specs.windows(train=3, test=7),
    "model": {"width": 16, "graph_tokens": 1, "activities": 8, "layers": 1, "heads": 2, "head_width": 16},
    "training": {"epochs": 1, "batch_size": 512, "learning_rate": 0.01},
}
EACH, POSTS, DAYS = 60, 400, 14


def the_log(members: int) -> pd.DataFrame:
    """Impressions of members, surfaces and posts of different tastes and appeal, sixty a member."""
    random = np.random.default_rng(3)
    rows = members * EACH
    member = np.repeat(np.arange(members), EACH)
    surface, post = random.integers(0, 2, rows), random.integers(0, POSTS, rows)
    taste = random.normal(size=members)[member] + random.normal(size=(members, 2))[member, surface]
    appeal = random.normal(0, 0.7, POSTS)[post]
    order = np.argsort(moment := random.integers(0, DAYS * 86_400_000_000, rows))
    shown = pd.to_datetime(tiny.microseconds(tiny.START) + moment, unit="us", utc=True).as_unit("us")
    frame = {
        "impression_id": np.arange(rows),
        "member": member,
        "post_id": np.char.add("p", post.astype(str)),
        "surface": np.array(tiny.SURFACES)[surface],
        "time": shown,
        "settled_time": shown + pd.Timedelta(minutes=10),
        "place": random.integers(0, 9, rows),
        "device": "web",
        "click": (random.random(rows) < 1 / (1 + np.exp(-taste - appeal))).astype(np.int64),
    }
    return pd.DataFrame(frame).iloc[order].reset_index(drop=True)


def shuffled_within(groups: np.ndarray, values: np.ndarray, seed: int) -> np.ndarray:
    """The values, each at a random place of its own group."""
    chance = np.random.default_rng(seed).random(len(values))
    found = np.empty_like(values)
    found[np.lexsort((np.arange(len(values)), groups))] = values[np.lexsort((chance, groups))]
    return found


class Scored:
    """The test rows of a log in both states, and scores of trees and of a small ranker, fitted on the train window."""

    def __init__(self, folder: Path, log: pd.DataFrame) -> None:
        spec, training = tiny.tiny_spec(**PARTS), folder / "training"
        tables = tiny.tables(spec, folder / "tables")
        tiny.write(tables, "impressions", log)
        count(spec, tables, tables)
        store = tiny.store_of(spec, folder / "state")
        tiny.apply_tables(store, spec, tables, folder / "state")
        retrieve(store, spec, tables, training)
        as_of, frozen = (pd.read_parquet(training / f"{name}.parquet") for name in ("impressions", "frozen"))
        self.rows = {"as_of": as_of[as_of["window"] == "test"], "frozen": frozen[frozen["window"] == "test"]}
        trees = fit_floor(as_of, spec, threads=1)
        self.scores = {("trees", state): trees.predict(rows)["click"] for state, rows in self.rows.items()}
        build_graph(spec, tables, training, folder / "graph")
        graph = TemporalGraph.load(folder / "graph")
        model = load_model(
            train(graph, spec.model, spec.training, folder / "model", scope=Scope(epochs=1), device="cpu")
        )
        test = graph.seeds.rows("test")
        place = pd.Index(graph.seeds.keys.take(test.numpy()).to_numpy()).get_indexer(
            self.rows["as_of"]["impression_id"]
        )
        for state in ("as_of", "frozen"):
            self.scores["ranker", state] = predict(model, graph, test, state)[place, 0]

    @property
    def members(self) -> np.ndarray:
        return self.rows["as_of"]["member"].to_numpy()

    @property
    def clicks(self) -> np.ndarray:
        return self.rows["as_of"]["click"].to_numpy()

    def gauc(self, scores: np.ndarray | pd.Series) -> float:
        return metrics.gauc(self.clicks, np.asarray(scores), self.members)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """The log as it is; a part will do, since the evaluated labels are shuffled many times."""
    return Scored(tmp_path_factory.mktemp("real"), the_log(300))


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Scored:
    """The whole log, with outcomes shuffled within members before anything is counted."""
    log = the_log(1200)
    clicks = shuffled_within(log["member"].to_numpy(), log["click"].to_numpy(), seed=5)
    return Scored(tmp_path_factory.mktemp("noise"), log.assign(click=clicks))


@pytest.mark.parametrize("scorer", ["trees", "ranker"])
def test_evaluated_labels_shuffled_within_members_give_one_half(real: Scored, scorer: str) -> None:
    """Informative scores against labels that no score can predict: the mean of 20 shuffles."""
    scores = real.scores[scorer, "frozen"]
    assert real.gauc(scores) > 0.55
    labels = [shuffled_within(real.members, real.clicks, seed) for seed in range(20)]
    assert np.mean([metrics.gauc(one, scores, real.members) for one in labels]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("counter", ["member_counts_click_rate", "member_surface_counts_click_rate"])
def test_only_as_of_counters_of_a_shuffled_log_have_information(noise: Scored, counter: str) -> None:
    """A member's clicks are drawn without replacement: what has been clicked already is not clicked again."""
    assert noise.gauc(noise.rows["as_of"][counter]) < 0.42
    assert noise.gauc(noise.rows["frozen"][counter]) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("scorer", ["trees", "ranker"])
def test_of_a_shuffled_log_a_model_tells_nothing_in_frozen_state(noise: Scored, scorer: str) -> None:
    """The ranker through tree, activities and counters alike."""
    assert abs(noise.gauc(noise.scores[scorer, "as_of"]) - 0.5) > 0.05
    assert noise.gauc(noise.scores[scorer, "frozen"]) == pytest.approx(0.5, abs=0.01)
