from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from models import metrics
from models.baselines import tuned_trees
from models.baselines.table import Table, table_of
from models.baselines.tuned_trees import fit_trees
from models.configs.training import TrainedState
from models.graph.fakes import fake_graph
from models.graph.sample import as_of_version
from models.graph.store import TemporalGraph
from models.training.batches import FRESH, FROZEN, STALE
from models.training.labels import known
from tests.models.baselines.small import TRAINING, small_graph


def test_the_table_holds_what_the_networks_read() -> None:
    graph = small_graph()
    rows = torch.arange(len(graph.seeds))
    fresh, stale, frozen = (table_of(graph, rows, torch.full_like(rows, seen)) for seen in (FRESH, STALE, FROZEN))
    names = list(fresh.names)
    assert names[:3] == ["member_rate", "item_rate", "device"]
    assert [names[place] for place in fresh.categories] == [
        "device",
        "member industry",
        "item format",
        "surface of the seed",
    ]
    assert len(names) == fresh.values.shape[1] == 3 + (2 + 1 + 4) + (1 + 1 + 4) + 3
    for table, numbers in ((fresh, "numbers"), (stale, "numbers"), (frozen, "frozen_numbers")):
        expected = getattr(graph.seeds, numbers)
        torch.testing.assert_close(table.values[:, :2], expected, rtol=0, atol=0, equal_nan=True)
    seniority = fresh.values[:, names.index("member seniority")]
    version = as_of_version(graph.nodes["member"], graph.seeds.member, graph.seeds.time)
    known = version >= 0
    torch.testing.assert_close(seniority[known], graph.nodes["member"].numbers[version[known], 0], rtol=0, atol=0)
    assert seniority[~known].isnan().all()
    age = [table.values[:, -1] for table in (fresh, stale, frozen)]
    assert (age[0] == 0).all()
    assert torch.equal(age[1], age[2])
    assert (age[1] > 0).any()


def test_the_search_finds_and_the_same_seed_finds_the_same() -> None:
    graph = fake_graph(members=30, items=20, impressions=3000)
    rows = graph.seeds.rows("test")
    one, other = (fit_trees(graph, TRAINING, trials=3) for _ in range(2))
    found = one.predict(graph, rows)
    np.testing.assert_array_equal(found, other.predict(graph, rows))
    assert metrics.auc(graph.seeds.labels[rows, 0].numpy(), found[:, 0]) > 0.75
    trials = one.tasks["click"].trials
    assert len(trials) == 3
    assert trials[0]["validate_auc"] == max(trial["validate_auc"] for trial in trials)


def test_a_task_of_one_class_has_its_rate_and_later_labels_are_not_read() -> None:
    graph = small_graph()
    labels = graph.seeds.labels.clone()
    labels[:, 1] = 0
    labels[graph.seeds.rows("test")] = 1
    fitted = fit_trees(replace(graph, seeds=replace(graph.seeds, labels=labels)), TRAINING, trials=1)
    rows = graph.seeds.rows("test")
    found = fitted.predict(graph, rows)
    np.testing.assert_array_equal(found[:, 0], fit_trees(graph, TRAINING, trials=1).predict(graph, rows)[:, 0])
    assert np.ptp(found[:, 1]) == 0
    assert 0 < found[0, 1] < 0.01


@pytest.mark.parametrize(("state", "judged"), [("frozen", FROZEN), ("as_of", FRESH), ("mixed", FRESH)])
def test_trees_are_validated_in_the_state_they_are_trained_for(
    monkeypatch: pytest.MonkeyPatch, state: TrainedState, judged: int
) -> None:
    graph = small_graph()
    states: dict[tuple[int, ...], set[int]] = {}

    def spy(graph: TemporalGraph, rows: Tensor, seen: Tensor) -> Table:
        states[tuple(rows.tolist())] = set(seen.tolist())
        return table_of(graph, rows, seen)

    monkeypatch.setattr(tuned_trees, "table_of", spy)
    fit_trees(graph, replace(TRAINING, state=state), trials=1)
    assert states[tuple(known(graph, ("validate",)).tolist())] == {judged}
