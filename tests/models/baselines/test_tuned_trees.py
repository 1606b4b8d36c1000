from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from models import metrics
from models.baselines.tuned_trees import fit_trees
from models.configs.training import TrainedState
from models.graph.fakes import fake_graph
from models.training.batches import FRESH, FROZEN, MemberState
from models.training.labels import known
from models.training.seed_values import SeedValues
from tests.models.baselines.small import TRAINING, small_graph


def test_the_search_finds_and_the_same_seed_finds_the_same() -> None:
    graph = fake_graph(members=30, items=20, impressions=3000)
    rows = graph.seeds.rows("test")
    one, other = (fit_trees(graph, TRAINING, trials=2) for _ in range(2))
    found = one.predict(graph, rows)
    np.testing.assert_array_equal(found, other.predict(graph, rows))
    assert metrics.auc(graph.seeds.labels[rows, 0].numpy(), found[:, 0]) > 0.75
    trials = one.tasks["click"].trials
    assert len(trials) == 2
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
    states: dict[tuple[int, ...], MemberState | Tensor] = {}
    of = SeedValues.of

    def spy(self: SeedValues, rows: Tensor, member_states: MemberState | Tensor = "as_of", lag: int = 0) -> np.ndarray:
        states[tuple(rows.tolist())] = member_states
        return of(self, rows, member_states, lag)

    monkeypatch.setattr(SeedValues, "of", spy)
    fit_trees(graph, replace(TRAINING, state=state), trials=1)
    found = states[tuple(known(graph, ("validate",)).tolist())]
    assert found == ("frozen" if judged == FROZEN else "as_of")
