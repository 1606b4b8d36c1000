"""What is outside of ``models.nn`` with a ranker of the family ``sequence``: fit, artifact, prediction, vectors."""

import json
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from models.configs.errors import ConfigError
from models.configs.model import OF_SEQUENCE, ModelConfig
from models.configs.training import TrainingConfig
from models.graph.impressions import KINDS
from models.nn.build import build_ranker
from models.nn.model import Ranker
from models.nn.sequential import SequentialRanker
from models.sealed import read_plain
from models.training.artifact import Model, load_model, save_model
from models.training.embed import embed
from models.training.encoder import encoder_in
from models.training.fit import fit
from models.training.predict import predict
from models.training.train import Scope, train
from tests.models.training.small import MODEL, small_graph
from tests.models.training.test_history import one_domain

SEQUENCE = ModelConfig(family="sequence", width=8, layers=2, heads=2, head_width=16, impressions=4)
TRAINING = TrainingConfig(epochs=2, batch_size=64, learning_rate=0.01, shared_history=4)


@cache
def fitted() -> dict[str, bytes]:
    """The files of a whole fit, pre-trained on engagements."""
    with TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        fit(one_domain(), SEQUENCE, replace(TRAINING, history_events=50), out, "cpu")
        return {path.name: path.read_bytes() for path in out.iterdir()}


def model_in(folder: Path) -> Model:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in fitted().items():
        (folder / name).write_bytes(content)
    return load_model(folder)


def test_a_fit_gives_an_artifact_of_its_family(tmp_path: Path) -> None:
    model = model_in(tmp_path / "model")
    assert isinstance(model.ranker, SequentialRanker)
    assert model.ranker.config == SEQUENCE
    assert json.loads(read_plain(tmp_path / "model", "manifest.json"))["format"] == 4
    probabilities = predict(model, small_graph(), small_graph().seeds.rows("test"))
    assert np.isfinite(probabilities).all()
    assert len(np.unique(probabilities[:, 0])) > 20


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    def stop(_: object, epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    arguments = small_graph(), SEQUENCE, TRAINING
    scope = Scope(epochs=2)
    whole = train(*arguments, tmp_path / "whole", scope, "cpu")
    with pytest.raises(KeyboardInterrupt):
        train(*arguments, tmp_path / "broken", scope, "cpu", stop)
    broken = train(*arguments, tmp_path / "broken", scope, "cpu")
    assert read_plain(broken, "model.safetensors") == read_plain(whole, "model.safetensors")


def test_vectors_hold_the_tokens_and_their_names(tmp_path: Path) -> None:
    graph, model = small_graph(), model_in(tmp_path / "model")
    as_of = graph.schema.window("test").start
    manifest = embed(model, graph, as_of, tmp_path / "vectors", creation="authored")
    assert (manifest["activities"], manifest["tokens"]) == (8, {"member": 2, "item": 2})
    members = pq.read_table(tmp_path / "vectors" / "member.parquet").to_pylist()
    items = pq.read_table(tmp_path / "vectors" / "item.parquet").to_pylist()
    assert {len(row["activity_tokens"]) for row in members} == {8 * 8}
    assert {row["item_neighbours"] for row in items} == {"[]"}
    named = {name for row in members for name in row["activity_edges"]}
    assert named == {"", *KINDS}
    for row in members:
        times = [time for time in row["activity_times"] if time]
        assert times == sorted(times)
        assert all(time < as_of for time in times)
        assert [bool(name) for name in row["activity_edges"]] == [bool(time) for time in row["activity_times"]]


def test_the_encoders_of_two_families_are_never_the_same(tmp_path: Path) -> None:
    model_in(tmp_path / "model")
    graph = small_graph()
    torch.manual_seed(0)
    model = load_model(tmp_path / "model")
    other = replace(model, ranker=build_ranker(MODEL, graph.schema, model.encoding))
    assert isinstance(other.ranker, Ranker)
    assert encoder_in(save_model(other, tmp_path / "other")) != encoder_in(tmp_path / "model")


def test_a_model_of_the_graph_is_described_as_before_there_were_families() -> None:
    described = MODEL.of_network()
    assert {"family", *OF_SEQUENCE}.isdisjoint(described)
    assert ModelConfig(**described) == MODEL
    assert ModelConfig(**SEQUENCE.of_network()) == SEQUENCE
    assert set(SEQUENCE.of_network()) < set(asdict(SEQUENCE))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (replace(SEQUENCE, graph_tokens=5), r"model\.graph_tokens: expected 4, its default, since model\.family is"),
        (replace(MODEL, impressions=9), r"model\.impressions: expected 50, its default, since model\.family is graph"),
        (replace(SEQUENCE, heads=8), r"model\.width: expected a multiple of 2 \* model\.heads \(16\)"),
        (replace(SEQUENCE, family="tree"), r"model\.family: expected graph or sequence; found 'tree'"),
    ],
)
def test_keys_of_another_family_are_refused(config: ModelConfig, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_ranker(config, small_graph().schema, None)  # type: ignore[arg-type]
