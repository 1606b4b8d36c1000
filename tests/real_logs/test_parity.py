"""Parity on the real logs: test impressions sent as requests get the probabilities of the evaluation.

In a store of its own; that of the run is left alone. At every other moment the store is made anew as of that moment.
Between two of them counters go on and vectors stay, hours to a day old as at any endpoint; evaluation has them as old.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from feature_repo.applied import project_for, require_applied
from feature_repo.store import open_notes, open_store, write_resolved
from models.graph.store import TemporalGraph
from models.training.artifact import load_model
from models.training.predict import predict
from serving.versions.registry import Registry, model_name
from tests.feature_repo.tiny import apply_tables
from tests.real_logs.run import ROOT, Run
from tests.serving.replay import VECTOR_AGE, Product

pytestmark = pytest.mark.real_logs
OTHERS = range(99)
"""Items, by index, that stand beside an impression's own in a slate."""


@pytest.fixture(scope="module")
def product(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Product:
    """What the run promoted, over a store of its own."""
    folder = tmp_path_factory.mktemp("replay")
    config, state = ROOT / "feature_repo" / "feature_store.yaml", folder / "state"
    project = project_for(config, run.state, None)
    applied = require_applied(open_notes(config, run.state, project))
    write_resolved(config, state, project)
    apply_tables(open_store(config, state, project), applied.spec, Path(applied.tables), state)
    registry, name = Registry(f"sqlite:///{run.state}/mlflow/mlflow.db"), model_name(applied.spec)
    version = registry.champion(name)
    assert version is not None
    registry.download(name, version, folder / "bundle")
    graph = TemporalGraph.load(run.made("build-graph", "graph"))
    return Product(folder, applied.spec, name, version, graph, load_model(run.made("fit-trees", "model")))


@pytest.fixture(scope="module")
def written(run: Run) -> pd.DataFrame:
    """The run's own evaluation of the test days, by impression."""
    predictions = pd.read_parquet(run.made("evaluate", "evaluation") / "predictions.parquet")
    return predictions[(predictions["window"] == "test") & (predictions["state"] == "as_of")].set_index("key")


def test_test_impressions_sent_as_requests_get_their_evaluated_probabilities(
    product: Product, written: pd.DataFrame
) -> None:
    tasks, keys, pushed = product.model.tasks, product.graph.seeds.keys, 0
    for number, (kind, rows) in enumerate(impressions(product.graph).items()):
        moment = int(product.graph.seeds.time[rows[0]])
        if number % 2:
            product.materialize_until(moment)
        else:
            product.rewind_to(pushed := moment)
        expected = predict(product.model, product.graph, rows, lag=moment - pushed + VECTOR_AGE)
        if moment == pushed:
            evaluated = written.loc[keys.take(rows.numpy()).to_pylist(), [f"candidate_{task}" for task in tasks]]
            np.testing.assert_allclose(evaluated, expected, rtol=0, atol=1e-6, err_msg=kind)
        for row, probabilities in zip(rows.tolist(), expected, strict=True):
            own, *_ = product.instance(row)["items"]
            for prediction in product.predict(product.instance(row), product.instance(row, OTHERS)):
                assert not prediction["member_cold"]
                assert not prediction["fallback"]
                found = next(each for each in prediction["slate"] if each["item"] == own)["probabilities"]
                given = [found[task] for task in tasks]
                np.testing.assert_allclose(given, probabilities, rtol=0, atol=1e-6, err_msg=kind)


def impressions(graph: TemporalGraph) -> dict[str, Tensor]:
    """Rows of the test days by what is special about them, in order of time; those of one kind are of one moment."""
    seeds, schema = graph.seeds, graph.schema.seeds
    rows = seeds.rows("test")
    member, item, time = seeds.member[rows], seeds.item[rows], seeds.time[rows]
    left_at_once = seeds.settled[rows] == time
    unknown = (past(graph, schema.member, member, time) == 0) & (past(graph, schema.item, item, time) == 0)
    with_next = time[1:] == time[:-1]
    same = member[1:] == member[:-1]

    def place(these: Tensor, number: int) -> int:
        return int(these.nonzero().flatten()[number])

    two, twice = place(with_next & ~same, 0), place(with_next & same, -1)
    kinds = {
        "left at once: its own outcome came with its moment": rows[place(left_at_once, 0)].view(1),
        "two members at once": rows[two : two + 2],
        "nothing has happened to member and item": rows[place(unknown, 0)].view(1),
        "one member, two items at once": rows[twice : twice + 2],
    }
    return dict(sorted(kinds.items(), key=lambda kind: int(seeds.time[kind[1][0]])))


def past(graph: TemporalGraph, node: str, index: Tensor, time: Tensor) -> Tensor:
    """How many edges between members and items each node has before its moment."""
    ends = {graph.schema.seeds.member, graph.schema.seeds.item}
    names = [edge.name for edge in graph.schema.edges if edge.source == node and {edge.source, edge.target} == ends]
    edges = [graph.edges[name] for name in names]
    return torch.stack([edge.timeline.end(index, time) - edge.offsets[index] for edge in edges]).sum(0)
