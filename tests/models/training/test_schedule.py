import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.training.artifact import load_model
from models.training.embed import embed
from models.training.fit import fit
from models.training.predict import predict
from models.training.schedule import NeighbourSchedule, advance, begin, cap
from models.training.train import Scope, TrainingRun, train
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.test_train import files, stop_after

ADAPTIVE = replace(TRAINING, epochs=4, adaptive_neighbours=True, first_neighbours=1, neighbour_stride=2)


def test_neighbours_grow_only_when_the_auc_stops_rising() -> None:
    now, seen = NeighbourSchedule(largest_fan_out=2, tolerance=0.01), []
    for auc in (0.60, 0.62, 0.625, 0.628, 0.632, 0.64, 0.60, math.nan, 0.9):
        now = now.after(auc, stride=20, most=50, decay=0.5)
        seen.append((now.largest_fan_out, round(now.tolerance, 6), now.best))
    assert seen == [
        (2, 0.01, 0.60),
        (2, 0.01, 0.62),
        (22, 0.005, 0.625),  # rose by less than the tolerance
        (42, 0.0025, 0.628),
        (42, 0.0025, 0.632),  # the same rise is enough for the smaller tolerance
        (42, 0.0025, 0.64),
        (50, 0.00125, 0.64),  # the last stride ends at the most
        (50, 0.00125, 0.64),
        (50, 0.00125, 0.9),
    ]


def test_the_graph_s_own_fan_outs_are_never_exceeded() -> None:
    assert cap(ADAPTIVE, small_graph().schema) == 4
    assert begin(replace(ADAPTIVE, first_neighbours=9), small_graph().schema).largest_fan_out == 4
    now = begin(ADAPTIVE, small_graph().schema)
    for _ in range(5):
        now = advance(now, 0.5, ADAPTIVE, small_graph().schema)
    assert now.largest_fan_out == 4
    assert cap(ADAPTIVE, replace(small_graph().schema, edges=())) == 1
    assert cap(replace(ADAPTIVE, most_neighbours=3), small_graph().schema) == 3


def test_a_rise_by_just_the_tolerance_is_none() -> None:
    now = NeighbourSchedule(largest_fan_out=2, tolerance=0.25, best=0.5)
    assert now.after(0.75, stride=4, most=50, decay=0.5) == NeighbourSchedule(6, 0.125, 0.75)
    assert now.after(0.875, stride=4, most=50, decay=0.5) == NeighbourSchedule(2, 0.25, 0.875)
    assert NeighbourSchedule(2, 0.25) == NeighbourSchedule(2, 0.25, float("-inf"))
    assert begin(ADAPTIVE, small_graph().schema) == NeighbourSchedule(1, ADAPTIVE.neighbour_tolerance)


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A validation AUC that depends on the largest fan-out alone: it rises with each one, then stops."""
    monkeypatch.setattr(TrainingRun, "_validate", lambda _, most: {"click": 0.5 + most / 100})


@pytest.mark.usefixtures("flat")
def test_training_goes_on_with_more_neighbours_and_the_artifact_says_how_many(tmp_path: Path) -> None:
    config = replace(ADAPTIVE, epochs=8, patience=1)
    model = load_model(train(small_graph(), MODEL, config, tmp_path / "model", device="cpu"))
    assert model.training["limits"] == [1, 1, 3, 3, 4, 4, 4]
    assert (model.training["epochs"], model.largest_fan_out) == (5, 4)
    assert [entry["neighbours"] for entry in model.training["history"]] == model.training["limits"]


@pytest.mark.usefixtures("flat")
def test_an_interrupted_schedule_continues(tmp_path: Path) -> None:
    whole = train(small_graph(), MODEL, ADAPTIVE, tmp_path / "whole", device="cpu")
    for epoch in (1, 3):
        with pytest.raises(InterruptedError):
            train(small_graph(), MODEL, ADAPTIVE, tmp_path / "broken", device="cpu", log=stop_after(epoch))
    assert files(train(small_graph(), MODEL, ADAPTIVE, tmp_path / "broken", device="cpu")) == files(whole)


def test_the_final_fit_replays_the_fan_outs_that_selection_found(tmp_path: Path) -> None:
    fit(small_graph(), MODEL, ADAPTIVE, tmp_path / "model", device="cpu")
    model = load_model(tmp_path / "model")
    epochs, selection = model.training["epochs"], model.training["selection"]
    assert model.training["limits"] == selection["limits"][:epochs]
    assert model.largest_fan_out == selection["limit"] is not None


def test_scores_and_vectors_use_the_largest_fan_out_of_the_artifact(tmp_path: Path) -> None:
    model = load_model(
        train(
            small_graph(), MODEL, TRAINING, tmp_path / "m", scope=Scope(epochs=1, largest_fan_outs=(1,)), device="cpu"
        )
    )
    assert model.largest_fan_out == 1
    narrow = tuple(
        replace(edge, fan_out=tuple(min(1, one) for one in edge.fan_out)) for edge in small_graph().schema.edges
    )
    graph = replace(small_graph(), schema=replace(small_graph().schema, edges=narrow))
    rows, as_of = small_graph().seeds.rows("test"), small_graph().schema.window("test").start
    found = predict(model, small_graph(), rows)
    np.testing.assert_array_equal(found, predict(model, graph, rows))
    digests = [embed(model, one, as_of, tmp_path / "vectors")["files"] for one in (small_graph(), graph)]
    assert digests[0] == digests[1]
    model.training["limit"] = None
    assert not np.array_equal(found, predict(model, small_graph(), rows))
    assert embed(model, small_graph(), as_of, tmp_path / "vectors")["files"] != digests[0]
    assert torch.isfinite(torch.from_numpy(found)).all()
