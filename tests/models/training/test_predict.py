from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from models import metrics
from models.calibration import Calibration, Platt
from models.graph.fakes import fake_graph
from models.nn.errors import EncodingError
from models.training.batches import Batches
from models.training.errors import DivergedError
from models.training.predict import predict, predict_parts, task_aucs
from models.trees.inputs import TreeInputs
from models.trees.trees import TaskTrees, Trees
from tests.models.training.small import small_graph, small_model


def test_probabilities_have_one_row_a_seed_and_one_column_a_task(tmp_path: Path) -> None:
    graph = small_graph()
    model = small_model(tmp_path, graph)
    rows = graph.seeds.rows("test")
    found = predict(model, graph, rows)
    assert found.shape == (len(rows), 2)
    assert ((found > 0) & (found < 1)).all()
    assert predict(model, graph, rows[:0]).shape == (0, 2)
    order = torch.randperm(len(rows))
    np.testing.assert_allclose(predict(model, graph, rows[order]), found[order.numpy()], atol=1e-6)


def test_frozen_state_knows_nothing_of_the_window(tmp_path: Path) -> None:
    """Edges of the member and its features inside the window move as-of scores, never frozen ones."""
    graph = small_graph()
    # Likes are activities alone: no tree walks them, so that the item's side, which is never frozen, stays as it is.
    edges = tuple(replace(edge, fan_out=(0, 0)) if edge.name.endswith("liked") else edge for edge in graph.schema.edges)
    graph = replace(graph, schema=replace(graph.schema, edges=edges))
    model = small_model(tmp_path, graph)
    rows = graph.seeds.rows("test")
    start = graph.schema.window("test").start
    numbers = torch.where((graph.seeds.time >= start).unsqueeze(1), 0.9, graph.seeds.numbers)
    liked = graph.edges["liked"]
    liked = replace(liked, target=torch.where(liked.time >= start, 0, liked.target))
    moved = replace(graph, seeds=replace(graph.seeds, numbers=numbers), edges={**graph.edges, "liked": liked})
    assert not np.allclose(predict(model, moved, rows), predict(model, graph, rows))
    np.testing.assert_array_equal(predict(model, moved, rows, "frozen"), predict(model, graph, rows, "frozen"))


def test_labels_shuffled_within_members_give_a_frozen_gauc_of_one_half(tmp_path: Path) -> None:
    """The control: frozen state cannot know which of a member's own rows were clicked."""
    graph = fake_graph(members=60, items=40, impressions=6000)
    model = small_model(tmp_path, graph)
    rows = graph.seeds.rows("test")
    scores = predict(model, graph, rows, state="frozen")[:, 0]
    labels, members = graph.seeds.labels[rows][:, 0].numpy(), graph.seeds.member[rows].numpy()
    generator = np.random.default_rng(0)
    order, found = np.argsort(members, kind="stable"), []
    for _ in range(30):
        shuffled = np.lexsort((generator.random(len(members)), members))
        mixed = np.empty_like(labels)
        mixed[order] = labels[shuffled]
        found.append(metrics.gauc(mixed, scores, members))
    assert np.mean(found) == pytest.approx(0.5, abs=0.01)


def test_a_model_scores_any_graph_of_its_schema(tmp_path: Path) -> None:
    graph = small_graph()
    model = small_model(tmp_path, graph)
    # Another day's graph: one more value in the vocabulary of the items' format, so that the codes move.
    item = graph.schema.node("item")
    wider = replace(item.features[1], vocabulary=("audio", *item.features[1].vocabulary))
    nodes = tuple(
        replace(node, features=(item.features[0], wider, item.features[2])) if node.name == "item" else node
        for node in graph.schema.nodes
    )
    codes = graph.nodes["item"].categories
    moved = replace(
        graph,
        schema=replace(graph.schema, nodes=nodes),
        nodes={**graph.nodes, "item": replace(graph.nodes["item"], categories=torch.where(codes > 0, codes + 1, 0))},
    )
    rows = graph.seeds.rows("test")
    np.testing.assert_array_equal(predict(model, moved, rows), predict(model, graph, rows))


def test_a_graph_of_another_product_is_refused(tmp_path: Path) -> None:
    graph = small_graph()
    model = small_model(tmp_path, graph)
    schema = replace(graph.schema, edges=graph.schema.edges[2:])
    with pytest.raises(EncodingError, match="edge types and the hops"):
        predict(model, replace(graph, schema=schema), torch.arange(3))


def test_unknown_members_and_items_are_scored(tmp_path: Path) -> None:
    graph = small_graph()
    model = small_model(tmp_path, graph)
    unknown = torch.full_like(graph.seeds.member, -1)
    cold = replace(graph, seeds=replace(graph.seeds, member=unknown, item=unknown, keys=pa.nulls(len(unknown))))
    assert np.isfinite(predict(model, cold, graph.seeds.rows("test"))).all()


def test_probabilities_are_calibrated_and_fresh_unless_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, given, make = small_graph(), [], Batches.make
    calibration = Calibration({"click": Platt(2.0, -1.0), "dwell": Platt(0.5, 3.0)})
    model = replace(small_model(tmp_path, graph), calibration=calibration)

    def spy(batches: Batches, slices: Any, state: Any, lag: int) -> Any:
        given.append((state, lag))
        return make(batches, slices, state, lag)

    monkeypatch.setattr(Batches, "make", spy)
    rows = graph.seeds.rows("test")[:9]
    found, plain = predict(model, graph, rows), predict(model, graph, rows, calibrated=False)
    odds = np.log(plain / (1 - plain))
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-(odds * [2.0, 0.5] + [-1.0, 3.0]))), rtol=1e-6)
    predict(model, graph, rows, "frozen", lag=7)
    assert given == [("as_of", 0), ("as_of", 0), ("frozen", 7)]


def test_rows_with_a_logit_that_is_no_number_are_counted() -> None:
    logits = np.array([[0.1, np.nan], [np.nan, np.nan], [0.5, 0.2]])
    with pytest.raises(DivergedError, match="found NaN in 2 of 3 rows"):
        task_aucs(["click", "dwell"], np.ones((3, 2)), logits)


def test_trees_that_serve_alone_are_scored_without_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = small_graph()
    model = small_model(tmp_path, graph)
    columns = TreeInputs.of(model.ranker.config, model.schema, model.encoding).names
    alone = {part: Calibration.none(model.tasks) for part in ("network", "trees")}
    tasks = {task: TaskTrees("", place - 0.5) for place, task in enumerate(model.tasks)}
    model = replace(model, trees=Trees(dict.fromkeys(model.tasks, 1.0), columns, tasks, alone))
    rows = graph.seeds.rows("test")
    whole = predict_parts(model, graph, rows)["product"]
    monkeypatch.setattr("models.training.predict.score_rows", None)  # the network would fail
    np.testing.assert_array_equal(predict(model, graph, rows), whole)
