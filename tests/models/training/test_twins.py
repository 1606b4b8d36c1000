"""Cold twins are read as items that were never shown, and nothing but training and the cold calibration reads them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models import metrics
from models.calibration import Platt
from models.graph.schema import BEHAVIOR, REVERSE
from models.nn.encoded import WITHOUT_ID, encode_graph
from models.nn.encoding import Encoding
from models.training.artifact import load_model
from models.training.batches import Batches
from models.training.cold import cold_seeds, never_shown
from models.training.labels import known, labelled
from models.training.predict import predict
from models.training.slices import one_each
from models.training.train import train
from tests.models.nn.batches import ready
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.twins import with_twins
from tests.models.training.unseen import unseen


def test_a_twins_tokens_are_those_of_an_item_of_the_same_content_that_was_never_shown() -> None:
    world = ready()
    schema = world.graph.schema
    features = tuple(replace(one, behavior=one.name in ("length", "format")) for one in schema.node("item").features)
    nodes = tuple(replace(node, features=features) if node.name == "item" else node for node in schema.nodes)
    graph = with_twins(replace(world.graph, schema=replace(schema, nodes=nodes)))
    encoded, seeds = encode_graph(world.ranker.encoding, graph.schema, graph), graph.seeds
    twins = torch.nonzero(seeds.cold & (seeds.item >= 0)).flatten()[:8]
    for row in twins.tolist():
        item = int(seeds.item[row])
        other = encode_graph(world.ranker.encoding, graph.schema, unseen(graph, "item", item))
        hashes = other.nodes["item"].id_hash
        hashes[hashes == graph.nodes["item"].id_hash[item]] = WITHOUT_ID  # training never gave its bucket a vector
        found, expected = (
            world.ranker.item_tokens(one, Batches(one, 5).make(one_each(torch.tensor([row]))).item)
            for one in (encoded, other)
        )
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_twins_tree_has_no_edge_of_behavior_and_other_trees_stay_as_they_are() -> None:
    graph = with_twins(ready().graph)
    encoded, plain = (encode_graph(ready().ranker.encoding, graph.schema, one) for one in (graph, ready().graph))
    rows = torch.arange(len(graph.seeds))
    batch = Batches(encoded, 5).make(one_each(rows))
    cold = graph.seeds.cold
    for edge in graph.schema.branches_from("item", 0):
        seen = batch.item.branches[edge.name].mask.any(dim=1)
        assert bool(seen[~cold].any())
        if edge.kind in BEHAVIOR:
            assert not seen[cold].any()
    own = batch.item.branches[REVERSE + "authored"].branches["authored"]
    here = own.index.view(len(rows), -1) == graph.seeds.item.unsqueeze(1)
    assert own.cold is not None
    marked = own.cold.view(len(rows), -1)
    assert torch.equal(marked, here & own.mask.view(len(rows), -1) & cold.unsqueeze(1))
    assert marked.any()
    before = Batches(plain, 5).make(one_each(torch.arange(len(ready().graph.seeds))))
    for name, branch in before.item.branches.items():
        assert torch.equal(branch.row, batch.item.branches[name].row[~cold])
        assert torch.equal(branch.mask, batch.item.branches[name].mask[~cold])
    own_states = encoded.nodes["item"].own
    assert torch.equal(encoded.nodes["item"].numbers[:own_states], plain.nodes["item"].numbers)


def test_only_who_asks_for_twins_gets_them() -> None:
    graph = ready().graph
    twinned = with_twins(graph)
    place = torch.nonzero(~twinned.seeds.cold).flatten()
    for window in graph.seeds.windows[1:]:
        assert torch.equal(place[graph.seeds.rows(window)], twinned.seeds.rows(window))
    assert torch.equal(place[known(graph, ("validate",))], known(twinned, ("validate",)))
    assert torch.equal(place[labelled(graph, ("train",))], labelled(twinned, ("train",)))
    both = labelled(twinned, ("train",), twins=True)
    assert bool(twinned.seeds.cold[both].any())
    assert torch.equal(both[~twinned.seeds.cold[both]], labelled(twinned, ("train",)))
    until = graph.schema.window("train").end
    assert Encoding.fit(twinned, until) == Encoding.fit(graph, until)
    assert twinned.counts() == graph.counts()


def test_training_reads_twins_and_cold_rows_have_their_own_calibration(tmp_path: Path) -> None:
    graph = with_twins(small_graph(), every=1)
    model = load_model(train(graph, MODEL, replace(TRAINING, epochs=1), tmp_path / "model", device="cpu"))
    twins = model.training["cold_twins"]
    assert model.training["seeds"] == twins == len(labelled(graph, ("train",)))
    assert 2 * twins == len(labelled(graph, ("train",), twins=True))
    rows = known(graph, ("validate",), twins=True)
    cold = cold_seeds(graph, rows, graph.schema.seeds.exposures)
    assert cold.tolist() == (graph.seeds.cold | (graph.seeds.item < 0))[rows].tolist()
    plain = predict(model, graph, rows)
    model.calibration = replace(model.calibration, cold={"click": Platt(1.0, -3.0)})
    changed = predict(model, graph, rows)
    np.testing.assert_array_equal(plain[~cold], changed[~cold])
    np.testing.assert_array_equal(plain[:, 1], changed[:, 1])
    assert (changed[cold, 0] < plain[cold, 0]).all()
    logits, labels = plain[~graph.seeds.cold[rows].numpy()], graph.seeds.labels[known(graph, ("validate",))].numpy()
    assert model.training["history"][0]["validate_auc_click"] == metrics.auc(labels[:, 0], logits[:, 0])


def test_a_row_is_cold_where_the_count_of_its_items_exposures_is_0_or_missing() -> None:
    graph = small_graph()
    numbers = graph.seeds.numbers.clone()
    numbers[:3, 1] = torch.tensor([0.0, torch.nan, 2.0])
    rows, seeds = torch.arange(3), replace(graph.seeds, numbers=numbers)
    assert (seeds.item[rows] >= 0).all()
    assert cold_seeds(replace(graph, seeds=seeds), rows, "item_rate").tolist() == [True, True, False]
    assert cold_seeds(replace(graph, seeds=seeds), rows, None).tolist() == [False] * 3
    for given, expected in ((None, [True, True]), (np.array([3.0]), [False, False]), (np.array([0, 1]), [True, False])):
        assert never_shown(given, 2).tolist() == expected
