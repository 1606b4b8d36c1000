"""Scores with vectors of an earlier time."""

import numpy as np
import torch

from benchmarks.studies.online.scoring import scores_with_vectors
from models.graph.fakes import fake_graph
from models.training.artifact import load_model
from models.training.fit import fit
from models.training.predict import predict
from tests.models.training.small import MODEL, TRAINING


def test_they_are_those_of_predict_with_a_lag(tmp_path):
    graph = fake_graph(members=20, items=24, impressions=1200)
    fit(graph, MODEL, TRAINING, tmp_path / "model", "cpu")
    model, rows = load_model(tmp_path / "model"), graph.seeds.rows("test")
    as_of = int(graph.seeds.time[rows].min()) - 3600 * 1_000_000
    found = scores_with_vectors(model, graph, rows, as_of)
    for place, row in enumerate(rows[:40]):
        lag = int(graph.seeds.time[row]) - as_of
        expected = predict(model, graph, row[None], "as_of", lag=lag)
        np.testing.assert_allclose(found[place], expected[0], atol=1e-6)
    fresh = predict(model, graph, rows, "as_of")
    assert not np.allclose(found, fresh, atol=1e-4)


def test_the_order_of_the_rows_does_not_matter(tmp_path):
    graph = fake_graph(members=20, items=24, impressions=1200)
    fit(graph, MODEL, TRAINING, tmp_path / "model", "cpu")
    model, rows = load_model(tmp_path / "model"), graph.seeds.rows("test")
    as_of = int(graph.seeds.time[rows].min())
    turned = torch.flip(rows, (0,))
    np.testing.assert_allclose(
        scores_with_vectors(model, graph, turned, as_of)[::-1],
        scores_with_vectors(model, graph, rows, as_of),
        atol=1e-6,
    )
