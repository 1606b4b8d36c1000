from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models import metrics
from models.baselines import network
from models.baselines.fit import fit_baseline
from models.baselines.hgt import HgtRanker
from models.baselines.network import fit_network
from models.configs.training import TrainedState, TrainingConfig
from models.graph.fakes import fake_graph
from models.nn.encoded import EncodedGraph, encode_graph
from models.training.batches import MemberState
from models.training.errors import DivergedError
from tests.models.baselines.small import NETWORKS, TRAINING, batch_of, logits, small_graph, untrained

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_alone_scores_as_among_others(name: str) -> None:
    graph = small_graph()
    network, encoding = untrained(name, graph)
    rows = graph.seeds.rows("test")
    assert (graph.seeds.item[rows] < 0).any()  # items that nobody knows are among them
    together = logits(network, encoding, graph, rows, "as_of")
    assert together.std(dim=0).min() > 1e-3
    for row in range(0, len(rows), 5):
        alone = logits(network, encoding, graph, rows[row : row + 1], "as_of")
        torch.testing.assert_close(alone, together[row : row + 1], rtol=1e-4, atol=1e-4)
    assert logits(network, encoding, graph, rows[:0], "frozen").shape == (0, 2)


UNTRAINED = {
    "dcn": set(),
    "transformer": {  # reads no creators
        *("inputs.encoders.creator.identity.cold", "inputs.encoders.creator.identity.table.weight"),
        *("inputs.encoders.creator.norm.weight", "inputs.encoders.creator.norm.bias"),
        "inputs.encoders.creator.unknown",
    },
    "sage": {  # no seed is a creator, so the last layer has none; no edge leads to an unknown creator
        *("sage.own.1.creator.weight", "sage.own.1.creator.bias"),
        *("sage.neighbour.1.rev_follows.weight", "sage.neighbour.1.authored.weight"),
        "inputs.encoders.creator.unknown",
    },
    "hgt": {  # likewise
        *("layers.1.out_lin.lins.creator.weight", "layers.1.out_lin.lins.creator.bias", "layers.1.skip.creator"),
        *("layers.1.p_rel.member__follows__creator", "layers.1.p_rel.item__rev_authored__creator"),
        "inputs.encoders.creator.unknown",
    },
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_weight_learns(name: str) -> None:
    """From a batch with unknown members and items, every parameter gets a gradient that is not zero."""
    graph = small_graph()
    rows = torch.arange(len(graph.seeds))
    graph = replace(graph, seeds=replace(graph.seeds, member=torch.where(rows % 7 == 0, -1, graph.seeds.member)))
    network, encoding = untrained(name, graph)
    encoded = encode_graph(encoding, graph.schema, graph)
    found = network(encoded, batch_of(encoded, network, rows))
    (found * torch.randn_like(found)).sum().backward()
    assert {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()} == UNTRAINED[name]


def test_a_network_learns() -> None:
    graph = fake_graph(members=30, items=20, impressions=4000)
    config = TrainingConfig(epochs=4, batch_size=64, learning_rate=0.005)
    fitted = fit_network(NETWORKS["dcn"], graph, config, CPU)  # type: ignore[arg-type]
    rows = graph.seeds.rows("test")
    found = fitted.predict(graph, rows)
    assert metrics.auc(graph.seeds.labels[rows, 0].numpy(), found[:, 0]) > 0.8
    assert 1 <= fitted.training["epochs"] <= len(fitted.training["history"]) <= 4


def test_length_and_calibration_come_from_train_and_no_window_after_validate_is_read() -> None:
    graph = small_graph()
    later = ~torch.isin(graph.seeds.window, torch.tensor([1, 2]))
    labels = torch.where(later.unsqueeze(1), 1 - graph.seeds.labels, graph.seeds.labels)
    other = replace(graph, seeds=replace(graph.seeds, labels=labels))
    rows = graph.seeds.rows("test")
    one, same = (fit_network(NETWORKS["dcn"], g, TRAINING, CPU) for g in (graph, other))  # type: ignore[arg-type]
    np.testing.assert_array_equal(one.predict(graph, rows), same.predict(graph, rows))
    assert one.calibration == same.calibration
    assert one.calibration.tasks["click"].scale != 1.0


def test_a_loss_that_is_no_number_is_reported() -> None:
    graph, config = small_graph(), replace(TRAINING, learning_rate=1e30, gradient_norm=1e30, epochs=3, warmup=0.0)
    with pytest.raises(DivergedError, match="learning_rate"):
        fit_network(NETWORKS["dcn"], graph, config, CPU)  # type: ignore[arg-type]


def test_member_and_item_may_be_of_one_type() -> None:
    graph = small_graph()
    schema = replace(graph.schema, seeds=replace(graph.schema.seeds, item="member"))
    graph = replace(graph, schema=schema, seeds=replace(graph.seeds, item=graph.seeds.member.flip(0)))
    network, encoding = untrained("hgt", graph)
    assert isinstance(network, HgtRanker)
    rows = graph.seeds.rows("test")
    assert logits(network, encoding, graph, rows, "as_of").isfinite().all()
    encoded = encode_graph(encoding, graph.schema, graph)
    batch = batch_of(encoded, network, rows)
    around, _ = network.subgraph(encoded, batch)
    found = network.roots({node: index.unsqueeze(1) for node, index in around.node.items()}, batch)
    for side, expected in zip(found, (graph.seeds.member, graph.seeds.item), strict=True):
        assert torch.equal(side.squeeze(1), expected[rows])


@pytest.mark.parametrize(("state", "judged"), [("frozen", "frozen"), ("as_of", "as_of"), ("mixed", "as_of")])
def test_a_network_is_validated_and_calibrated_in_the_state_it_is_trained_for(
    monkeypatch: pytest.MonkeyPatch, state: TrainedState, judged: str
) -> None:
    states, score = [], network._score

    def spy(module: Any, encoded: EncodedGraph, rows: Tensor, state: MemberState = "as_of") -> np.ndarray:
        states.append(state)
        return score(module, encoded, rows, state)

    monkeypatch.setattr(network, "_score", spy)
    fit_baseline("dcn", small_graph(), replace(TRAINING, state=state, epochs=1), "cpu")
    assert len(states) >= 2
    assert set(states) == {judged}
