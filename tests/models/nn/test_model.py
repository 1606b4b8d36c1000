from dataclasses import replace
from typing import Any, cast

import pytest
import torch

from models.configs.errors import ConfigError
from models.configs.model import ModelConfig, TaskWeighting
from models.graph.sample import Sampler
from models.nn.encoders import NodeEncoder
from models.nn.inputs import DecoderInputs
from models.nn.look_up import look_up
from models.nn.model import Ranker
from models.training.batches import Batches, score
from models.training.slices import one_each
from tests.models.nn.batches import CONFIG, World, decoder_inputs, member_side


@torch.inference_mode()
def test_a_slate_equals_slates_of_one(world: World) -> None:
    inputs = decoder_inputs(world, batch=6, slate=5)
    whole = world.ranker(inputs)
    assert whole.shape == (6, 5, 2)
    assert whole.std(dim=1).min() > 1e-4  # candidates do differ
    for place in range(5):
        only = slice(place, place + 1)
        single = {name: getattr(inputs, name)[:, only] for name in ("item_tokens", "numbers", "categories")}
        torch.testing.assert_close(world.ranker(inputs._replace(**single)), whole[:, only], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_every_input_changes_the_logits(world: World) -> None:
    inputs = decoder_inputs(world, batch=8, slate=2)
    logits = world.ranker(inputs)
    changes = {
        "member_tokens": inputs.member_tokens.flip(0),
        "activity_tokens": inputs.activity_tokens.flip(0),
        "activity_age": inputs.activity_age * 3,
        "activity_mask": torch.zeros_like(inputs.activity_mask),
        "item_tokens": inputs.item_tokens.flip(1),
        "numbers": inputs.numbers + 1,
        "categories": 2 - inputs.categories,
        "surface": inputs.surface.flip(0),
        "hour": inputs.hour + 1,
        "weekday": 6 - inputs.weekday,
        "state_age": inputs.state_age + 1e5,
    }
    assert (*changes, "activity_time") == DecoderInputs._fields  # the exact times are the sequence family's
    for name, change in changes.items():
        assert not torch.allclose(world.ranker(inputs._replace(**{name: change})), logits, atol=1e-5), name


@torch.inference_mode()
def test_a_table_of_all_inputs_changes_no_token(world: World) -> None:
    graph, encoded, ranker = world
    rows = graph.seeds.rows("test")
    tree, activities = member_side(graph, rows)
    time, table = graph.seeds.time[rows], ranker.input_table(encoded)
    torch.testing.assert_close(ranker.member_tokens(encoded, tree, table), ranker.member_tokens(encoded, tree))
    one, other = (ranker.activity_tokens(encoded, activities, time, given) for given in (table, None))
    torch.testing.assert_close(one, other)
    assert (one[~activities.mask] == 0).all()


@torch.inference_mode()
def test_an_empty_batch_and_an_empty_slate(world: World) -> None:
    assert world.ranker(decoder_inputs(world, batch=0, slate=3)).shape == (0, 3, 2)
    assert world.ranker(decoder_inputs(world, batch=2, slate=0)).shape == (2, 0, 2)


def test_every_weight_learns(world: World) -> None:
    """Every single parameter gets a gradient that is not zero from a batch with unknown members and items."""
    graph, encoded, like = world
    ranker = Ranker(replace(CONFIG, long_term=2, experts=2), graph.schema, like.encoding)
    ranker.load_state_dict(like.state_dict(), strict=False)
    rows = torch.cat([graph.seeds.rows("validate"), graph.seeds.rows("test")])
    member = torch.where(torch.arange(len(graph.seeds)) % 7 == 0, -1, graph.seeds.member)
    mixed = replace(encoded, graph=replace(graph, seeds=replace(graph.seeds, member=member)))
    batch = Batches(mixed, CONFIG.activities).make(one_each(rows))
    torch.manual_seed(0)
    logits = score(ranker, mixed, batch)
    tokens = ranker.activity_tokens(mixed, batch.activities, batch.member_time)
    loss = (logits * torch.randn_like(logits)).sum()
    (loss + ranker.long_term_loss(tokens, batch.age, batch.activities.mask)).backward()
    silent = {name for name, p in ranker.named_parameters() if p.grad is None or not p.grad.any()}
    assert silent == {
        "inputs.creator.unknown",  # no edge leads to an unknown creator, and no seed is one
        "task_spread",  # not trained: the tasks' weights are fixed here
    }


def test_a_new_start_reaches_every_weight(world: World) -> None:
    """``reset_parameters`` draws what the constructor draws: the same identities, zeros and deviations."""
    config = replace(CONFIG, long_term=2, experts=2, pieces=2)
    torch.manual_seed(0)
    fresh = Ranker(config, world.graph.schema, world.ranker.encoding)
    ranker = Ranker(config, world.graph.schema, world.ranker.encoding)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter.fill_(7.0)
    torch.manual_seed(1)
    ranker.reset_parameters()
    for name, start in fresh.state_dict().items():
        new = ranker.state_dict()[name]
        assert not (new == 7.0).any(), name
        assert torch.equal(new == 0, start == 0), name
        if start.numel() >= 8:
            one, other = (values.square().mean().sqrt().item() for values in (new, start))
            assert one == pytest.approx(other, rel=6 / start.numel() ** 0.5), name  # more than six standard errors


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        *((key, -1, "a whole number, 0 to 100000") for key in ("experts", "cross_layers", "pieces", "long_term")),
        *((key, 0, "a whole number, 1 to 100000") for key in ("width", "activities", "layers", "heads")),
        *(("experts", value, "a whole number, 0 to 100000") for value in (2.5, "4", True, None, float("nan"))),
        ("width", 9, r"a multiple of model.heads \(4\)"),
        ("long_term", 20, r"fewer than model.activities \(20\)"),
        ("dropout", 1.0, "a share of 0 or more, below 1"),
        ("graph", 0, "true or false"),
        ("task_weighting", "learned", "fixed or uncertainty"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(world: World, key: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"model.{key}: expected {expected}; found {value!r}"):
        Ranker(replace(ModelConfig(), **{key: value}), world.graph.schema, world.ranker.encoding)


def test_what_is_stored_is_what_is_learned(world: World) -> None:
    graph, encoded, ranker = world
    assert set(ranker.state_dict()) == {name for name, _ in ranker.named_parameters()}
    rows = graph.seeds.rows("test")[:3]
    tree, _ = member_side(graph, rows)
    items = Sampler(graph).tree("item", graph.seeds.item[rows], graph.seeds.time[rows])
    assert ranker.member_tokens(encoded, tree).shape == (3, ranker.rows[0], CONFIG.width)
    assert ranker.item_tokens(encoded, items).shape == (3, ranker.rows[1], CONFIG.width)


@pytest.mark.parametrize(
    ("change", "absent"),
    [
        ({"matching": False}, "matching"),
        ({"long_term": 0}, "long_term"),
        ({"long_term": 2, "sequence": False}, "long_term"),
        ({"sequence": False}, "matching"),
        ({"separate_encoders": False}, "own_item_side"),
        ({"graph": False}, "member_side.attention"),
    ],
)
def test_a_part_that_is_switched_off_has_no_weights(world: World, change: dict[str, Any], absent: str) -> None:
    def named(config: ModelConfig) -> bool:
        ranker = Ranker(config, world.graph.schema, world.ranker.encoding)
        return any(name.startswith(absent) for name in ranker.state_dict())

    assert not named(replace(CONFIG, **change))
    assert named(replace(CONFIG, long_term=2))


@pytest.mark.parametrize("weighting", ["fixed", "uncertainty"])
def test_the_spread_of_the_tasks_is_learned_where_it_weighs_them(world: World, weighting: TaskWeighting) -> None:
    ranker = Ranker(replace(CONFIG, task_weighting=weighting), world.graph.schema, world.ranker.encoding)
    assert ranker.task_spread is not None
    assert ranker.task_spread.tolist() == [0.0, 0.0]
    assert ranker.task_spread.requires_grad == (weighting == "uncertainty")


def test_without_id_embeddings_all_keys_share_the_cold_one(world: World) -> None:
    ranker = Ranker(replace(CONFIG, id_embeddings=False), world.graph.schema, world.ranker.encoding)
    assert {cast(NodeEncoder, encoder).identity.buckets for encoder in ranker.inputs.values()} == {0}


@torch.inference_mode()
def test_each_type_s_first_and_last_state_are_looked_up(world: World) -> None:
    _, encoded, ranker = world
    ends = [row for nodes in encoded.nodes.values() for row in (nodes.first, nodes.first + len(nodes) - 1)]
    table = ranker.input_table(encoded)
    for state in (torch.tensor(ends), torch.tensor([ends[1:3], ends[3:5]])):
        torch.testing.assert_close(look_up(ranker.inputs, encoded, state, None), table[state])
