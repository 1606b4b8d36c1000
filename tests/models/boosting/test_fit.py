from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch

from models import metrics
from models.boosting import fit as fitted
from models.boosting.fit import add_trees, refit_trees, search_tasks
from models.boosting.search import search
from models.calibration import Calibration
from models.graph.fakes import fake_graph
from models.training.artifact import Model, Validation, load_model, save_model
from models.training.encoder import encoder_in
from models.training.errors import ArtifactError
from models.training.fit import fit
from models.training.labels import known, labelled
from models.training.predict import predict, predict_parts
from models.training.refit import refit
from models.training.seed_values import SeedValues
from tests.models.training.small import MODEL, TRAINING, small_graph, small_model
from tests.models.training.twins import with_twins
from tests.models.trees.small import CONFIG, small_leaves, small_product, with_validation

WITH_TREES = replace(MODEL, **CONFIG)


def test_the_logit_is_the_weighted_mean_and_its_calibration_is_of_the_selections_mean(tmp_path: Path) -> None:
    graph = small_graph()
    network = load_model(with_validation(small_model(tmp_path, graph), graph, tmp_path / "network"))
    model = small_product(tmp_path / "product")
    assert model.trees is not None
    assert model.trees.weights == {"click": 0.25, "dwell": 0.25}
    rows = graph.seeds.rows("test")
    found = predict_parts(model, graph, rows, calibrated=False)
    logit = {name: np.log(chance / (1 - chance)) for name, chance in found.items()}
    np.testing.assert_allclose(logit["product"], 0.75 * logit["network"] + 0.25 * logit["trees"], atol=1e-5)
    np.testing.assert_array_equal(found["network"], predict(network, graph, rows, calibrated=False))
    assert np.ptp(logit["trees"][:, 0]) > 0
    calibrated = predict_parts(model, graph, rows)
    np.testing.assert_array_equal(calibrated["product"], predict(model, graph, rows))
    network_alone = model.trees.alone["network"].apply(logit["network"])
    np.testing.assert_allclose(calibrated["network"], network_alone, atol=1e-6)
    assert model.calibration not in model.trees.alone.values()


def test_the_encoder_stays_and_the_validation_goes(tmp_path: Path) -> None:
    graph = small_graph()
    network = with_validation(small_model(tmp_path, graph), graph, tmp_path / "network")
    small_product(tmp_path / "product")
    add_trees(graph, network, MODEL, tmp_path / "without")
    for folder in ("product", "without"):
        assert encoder_in(tmp_path / folder) == encoder_in(network)
        assert load_model(tmp_path / folder).validation is None
    handed, before = load_model(tmp_path / "without"), load_model(network)
    assert (handed.trees, handed.calibration) == (None, before.calibration)
    with pytest.raises(ArtifactError, match="expected the artifact of a fit"):
        add_trees(graph, tmp_path / "without", WITH_TREES, tmp_path / "again")
    for other in (fake_graph(impressions=300), fake_graph(members=30, items=20, impressions=3000)):
        with pytest.raises(ArtifactError, match="expected the graph that it was trained on"):
            add_trees(other, network, WITH_TREES, tmp_path / "again")


def test_each_task_has_the_weight_that_its_warm_validation_rows_ask_for(tmp_path: Path) -> None:
    graph = with_twins(small_graph(), every=1)
    model, rows = small_model(tmp_path, graph), known(graph, ("validate",), twins=True)
    twins, sign = graph.seeds.cold[rows], 4 * graph.seeds.labels[rows] - 2
    sign[twins] *= -1
    noise = torch.randn(sign.shape, generator=torch.Generator().manual_seed(1))
    model.validation = Validation(rows, graph.seeds.time[rows], torch.stack([sign[:, 0], noise[:, 1]], dim=1))
    network = save_model(model, tmp_path / "network")
    searched = search_tasks

    def swapped(*given: Any, **options: Any) -> fitted.Searched:
        return replace(searched(*given, **options), logits=torch.stack([noise[:, 0], sign[:, 1]], dim=1).numpy())

    with small_leaves(), patch.object(fitted, "search_tasks", swapped):
        trees = add_trees(graph, network, replace(MODEL, trees=True), tmp_path / "product", trials=1)
    assert trees is not None
    assert trees.weights["click"] < 0.5 < trees.weights["dwell"]


def test_a_fit_hands_over_what_its_selection_said_of_validation_rows(tmp_path: Path) -> None:
    graph = fake_graph(members=30, items=20, impressions=3000)
    fit(graph, MODEL, replace(TRAINING, epochs=1), tmp_path / "network", device="cpu")
    network = load_model(tmp_path / "network")
    assert network.validation is not None
    rows = known(graph, ("validate",))
    assert torch.equal(network.validation.rows, rows)
    labels = graph.seeds.labels[rows].numpy()
    assert Calibration.fit(network.tasks, network.validation.logits.numpy(), labels) == network.calibration
    for folder in ("product", "again"):
        add_trees(graph, tmp_path / "network", WITH_TREES, tmp_path / folder, trials=2)
    for path in (tmp_path / "product").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    model, test = load_model(tmp_path / "product"), graph.seeds.rows("test")
    trees = predict_parts(model, graph, test)["trees"]
    assert metrics.auc(graph.seeds.labels[test, 0].numpy(), trees[:, 0]) > 0.7
    assert model.trees is not None
    trials = model.trees.tasks["click"].trials
    assert len(trials) == 2
    assert trials[0]["validate_auc"] == max(trial["validate_auc"] for trial in trials)


def refitted(folder: Path, judged: Path, until: int) -> Model:
    refit(small_graph(), judged, until, folder, device="cpu")
    refit_trees(small_graph(), judged, until, folder)
    return load_model(folder)


def test_a_refit_has_the_judged_trees_parameters_and_newer_days(tmp_path: Path) -> None:
    graph = small_graph()
    judged = small_product(tmp_path / "judged")
    found = refitted(tmp_path / "refit", tmp_path / "judged", graph.schema.window("gate").end)
    assert judged.trees is not None
    assert found.trees is not None
    assert (found.calibration, found.trees.alone, found.trees.weights) == (
        judged.calibration,
        judged.trees.alone,
        judged.trees.weights,
    )
    for task, trees in found.trees.tasks.items():
        before = judged.trees.tasks[task]
        assert (trees.parameters, trees.rounds) == (before.parameters, before.rounds)
        assert trees.text != before.text
    assert found.training["judged"]["run"] == judged.training["run"]


def test_a_task_of_one_class_has_a_constant_and_later_labels_are_not_read(tmp_path: Path) -> None:
    graph = small_graph()
    labels = graph.seeds.labels.clone()
    labels[:, 1] = 0
    labels[graph.seeds.rows("test")] = 1
    changed = replace(graph, seeds=replace(graph.seeds, labels=labels))
    network = with_validation(small_model(tmp_path, graph), graph, tmp_path / "network")
    with small_leaves():
        add_trees(changed, network, WITH_TREES, tmp_path / "product", trials=1)
    found, expected = load_model(tmp_path / "product"), small_product(tmp_path / "expected")
    assert found.trees is not None
    assert expected.trees is not None
    assert found.trees.tasks["click"].text == expected.trees.tasks["click"].text
    assert not found.trees.tasks["dwell"].text
    assert not (tmp_path / "product" / "trees_dwell.txt").exists()
    values = SeedValues(MODEL, graph.schema, found.encoding, graph).of(graph.seeds.rows("test"))
    logits = found.trees.logits(values)[:, 1]
    assert np.ptp(logits) == 0
    assert logits[0] < -4


def test_twins_are_learned_from_and_calibrate_cold_rows_and_choose_nothing(tmp_path: Path) -> None:
    graph = with_twins(small_graph(), every=1)
    model, rows = small_model(tmp_path, graph), known(graph, ("validate",), twins=True)
    model.validation = Validation(rows, graph.seeds.time[rows], torch.zeros(len(rows), 2))
    network = save_model(model, tmp_path / "network")
    twin = graph.seeds.cold[rows].numpy()
    assert twin.any()
    with (
        small_leaves(),
        patch("models.calibration.LEAST_OF_A_CLASS", 1),
        patch.object(fitted, "search", wraps=search) as seen,
    ):
        add_trees(graph, network, WITH_TREES, tmp_path / "product", trials=1)
    learned, held_out, every = seen.call_args_list[0].args[:3]
    both = labelled(graph, ("train",), twins=True)
    assert len(learned.labels) == (~graph.seeds.labels[both, 0].isnan()).sum()
    assert graph.seeds.cold[both].any()
    assert len(held_out.labels) == (~graph.seeds.labels[rows, 0].isnan().numpy() & ~twin).sum()
    assert len(every) == len(rows)
    found = load_model(tmp_path / "product").calibration
    assert found.cold.keys() == found.tasks.keys()
    assert found.cold["click"] != found.tasks["click"]
