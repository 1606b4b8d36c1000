"""Twins whose member is read as new: their members have no past, and nothing else changes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.calibration import Calibration
from models.graph.fakes import fake_graph
from models.graph.schema import BEHAVIOR
from models.graph.store import TemporalGraph
from models.graph.tensors import tensors_of
from models.nn.encoded import WITHOUT_ID, encode_graph
from models.nn.encoding import Encoding
from models.training.artifact import load_model
from models.training.batches import Batches, decoder_inputs, encode
from models.training.cold import cold_seeds, fit_calibration
from models.training.labels import known, labelled
from models.training.seed_values import SeedValues
from models.training.slices import cut, one_each
from models.training.train import train
from tests.models.nn.batches import ready
from tests.models.training.small import MODEL, TRAINING, small_graph
from tests.models.training.twins import with_twins
from tests.models.training.unseen import unseen


def _behavioral(graph: TemporalGraph) -> TemporalGraph:
    """The graph in which one feature of members is of behavior."""
    features = graph.schema.node("member").features
    marked = tuple(replace(one, behavior=place == 0) for place, one in enumerate(features))
    nodes = tuple(replace(node, features=marked) if node.name == "member" else node for node in graph.schema.nodes)
    return replace(graph, schema=replace(graph.schema, nodes=nodes))


def test_a_twin_is_read_as_a_member_of_the_same_profile_to_whom_nothing_happened() -> None:
    world = ready()
    graph = with_twins(_behavioral(world.graph), members=True)
    encoded, seeds = encode_graph(world.ranker.encoding, graph.schema, graph), graph.seeds
    for row in torch.nonzero(seeds.cold & (seeds.member >= 0)).flatten()[:8].tolist():
        member = int(seeds.member[row])
        other = encode_graph(world.ranker.encoding, graph.schema, unseen(graph, "member", member))
        hashes = other.nodes["member"].id_hash
        hashes[hashes == graph.nodes["member"].id_hash[member]] = WITHOUT_ID
        found, expected = (Batches(one, 5).make(one_each(torch.tensor([row]))) for one in (encoded, other))
        assert not found.activities.mask.any()
        for edge in graph.schema.branches_from("member", 0):
            assert edge.kind not in BEHAVIOR or not found.member.branches[edge.name].mask.any()
        tokens = [encode(world.ranker, one, batch) for one, batch in ((encoded, found), (other, expected))]
        torch.testing.assert_close(tokens[0].member, tokens[1].member, rtol=0, atol=1e-6)
        torch.testing.assert_close(tokens[0].activities, tokens[1].activities)
        assert found.state_age.item() == 0


def test_a_member_that_nothing_knows_has_the_tokens_of_a_request_of_an_unknown_one() -> None:
    world = ready()
    graph = with_twins(world.graph, members=True)
    encoded = encode_graph(world.ranker.encoding, graph.schema, graph)
    rows = torch.nonzero(graph.seeds.cold & (graph.seeds.member < 0)).flatten()
    batch = Batches(encoded, 5).make(one_each(rows), "frozen")
    inputs = decoder_inputs(batch, encode(world.ranker, encoded, batch))
    expected = world.ranker.cold_member_tokens().expand(len(rows), -1, -1)
    torch.testing.assert_close(inputs.member_tokens, expected, rtol=0, atol=1e-6)
    assert not inputs.activity_mask.any()
    assert not inputs.activity_tokens.any()


def test_a_twin_shares_its_member_state_with_no_other_row() -> None:
    graph = with_twins(small_graph(), members=True)
    seeds, rows = graph.seeds, labelled(graph, ("train",), twins=True)
    slices = cut(rows, seeds.acting(rows), seeds.time[rows], 4, 24.0)
    sizes = slices.offsets.diff()[slices.of]
    assert (sizes[seeds.cold[slices.rows]] == 1).all()
    assert (sizes > 1).any()


def test_items_of_twins_of_members_and_all_other_rows_stay_as_they_are() -> None:
    graph = ready().graph
    twinned = with_twins(graph, members=True)
    encoded, plain = (encode_graph(ready().ranker.encoding, graph.schema, one) for one in (twinned, graph))
    rows = torch.nonzero(~twinned.seeds.cold).flatten()
    found = Batches(encoded, 5).make(one_each(rows))
    before = Batches(plain, 5).make(one_each(torch.arange(len(graph.seeds))))
    for one, other in ((found.member, before.member), (found.item, before.item)):
        for name, branch in other.branches.items():
            assert torch.equal(branch.row, one.branches[name].row)
            assert torch.equal(branch.mask, one.branches[name].mask)
    for name, tensor in tensors_of(before.activities).items():
        assert torch.equal(tensor, getattr(found.activities, name)), name
    twins = torch.nonzero(twinned.seeds.cold).flatten()
    of_twins, of_rows = (Batches(encoded, 5).make(one_each(one)).item for one in (twins, twins - 1))
    assert all(torch.equal(of_twins.branches[name].row, of_rows.branches[name].row) for name in of_rows.branches)
    assert encoded.nodes["member"].cold
    assert not encoded.nodes["item"].cold
    own = encoded.nodes["member"].own
    assert torch.equal(encoded.nodes["member"].numbers[:own], plain.nodes["member"].numbers)
    assert not any(nodes.cold for nodes in plain.nodes.values())


def test_only_training_reads_twins_of_members_and_they_calibrate_nothing(tmp_path: Path) -> None:
    graph = small_graph()
    twinned = with_twins(graph, every=1, members=True)
    place = torch.nonzero(~twinned.seeds.cold).flatten()
    for window in graph.seeds.windows[1:]:
        assert torch.equal(place[graph.seeds.rows(window)], twinned.seeds.rows(window))
    assert torch.equal(place[known(graph, ("validate",))], known(twinned, ("validate",)))
    until = graph.schema.window("train").end
    assert Encoding.fit(twinned, until) == Encoding.fit(graph, until)
    rows = known(twinned, ("validate",), twins=True)
    logits = np.random.default_rng(0).normal(size=(len(rows), 2)).astype(np.float32)
    warm = ~twinned.seeds.cold[rows].numpy()
    expected: Calibration = fit_calibration(graph, known(graph, ("validate",)), logits[warm])
    assert fit_calibration(twinned, rows, logits) == expected
    assert not (cold_seeds(twinned, rows, None) & (twinned.seeds.item[rows] >= 0).numpy()).any()
    crowd = fake_graph(members=20, items=24, impressions=3000)
    exposed = replace(crowd.seeds, numbers=torch.ones_like(crowd.seeds.numbers))
    described = replace(crowd.schema, seeds=replace(crowd.schema.seeds, exposures="item_rate"))
    crowd = with_twins(replace(crowd, seeds=exposed, schema=described), every=1, members=True)
    every = torch.nonzero(crowd.seeds.item >= 0).flatten()  # the exposures of a twin here are missing
    assert not fit_calibration(crowd, every, np.zeros((len(every), 2), np.float32)).cold
    config = replace(TRAINING, epochs=1, slice=4)
    model = load_model(train(twinned, MODEL, config, tmp_path / "model", device="cpu"))
    assert model.training["seeds"] == model.training["cold_twins"] == len(labelled(graph, ("train",)))


def test_trees_read_a_twins_member_as_new() -> None:
    world = ready()
    graph = with_twins(_behavioral(world.graph), members=True)
    values = SeedValues(world.ranker.config, graph.schema, world.ranker.encoding, graph)
    twins = torch.nonzero(graph.seeds.cold & (graph.seeds.member >= 0)).flatten()
    found, rows = values.of(twins), values.of(twins - 1)
    behavior = graph.schema.node("member").features[0].name
    of_items = [place for place, name in enumerate(values.inputs.names) if name.startswith("item ")]
    assert of_items
    np.testing.assert_array_equal(found[:, of_items], rows[:, of_items])
    hidden = [place for place, name in enumerate(values.inputs.names) if behavior in name]
    assert hidden
    assert np.isnan(found[:, hidden]).all()
    assert np.isfinite(rows[:, hidden]).any()
