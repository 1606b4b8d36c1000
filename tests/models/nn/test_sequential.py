from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.configs.model import ModelConfig
from models.graph.fakes import HOUR, fake_graph
from models.graph.impressions import FIRST_EDGE, OUTCOME
from models.graph.sample import Sampler
from models.nn.build import build_ranker
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.inputs import DecoderInputs
from models.nn.sequential import SequentialRanker
from models.training.batches import Batches, activity_age, relative_time, score
from models.training.slices import one_each

CONFIG = ModelConfig(
    family="sequence", width=8, layers=2, heads=2, head_width=16, impressions=6, engagements="all", experts=2
)


def ready(config: ModelConfig = CONFIG) -> tuple[EncodedGraph, SequentialRanker]:
    """A tiny graph, encoded, and an untrained ranker in evaluation mode, away from its start."""
    graph = fake_graph(members=8, items=10, seed=1)
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    torch.manual_seed(0)
    ranker = build_ranker(config, graph.schema, encoding).eval()
    assert isinstance(ranker, SequentialRanker)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return encode_graph(encoding, graph.schema, graph), ranker


@pytest.fixture(scope="module")
def world() -> tuple[EncodedGraph, SequentialRanker]:
    return ready()


def inputs_of(encoded: EncodedGraph, ranker: SequentialRanker, batch: int, slate: int) -> DecoderInputs:
    """The first ``batch`` test seeds, each with the items 0 to ``slate`` - 1 as candidates."""
    graph, seeds = encoded.graph, encoded.graph.seeds
    rows, sampler = seeds.rows("test")[:batch], Sampler(graph, hops=0)
    member, time = seeds.member[rows], seeds.time[rows]
    activities = ranker.activity_source(graph).activities(member, time, ranker.sequence_length)
    items = sampler.tree("item", torch.arange(slate).repeat(batch), time.repeat_interleave(slate))
    return DecoderInputs(
        member_tokens=ranker.member_tokens(encoded, sampler.tree("member", member, time)),
        activity_tokens=ranker.activity_tokens(encoded, activities, time),
        activity_age=activity_age(activities, time),
        activity_mask=activities.mask,
        item_tokens=ranker.item_tokens(encoded, items).unflatten(0, (batch, slate)),
        numbers=encoded.impression_numbers[: batch * slate].unflatten(0, (batch, slate)),
        categories=encoded.impression_categories[: batch * slate].unflatten(0, (batch, slate)),
        surface=torch.arange(batch) % 3 - 1,
        hour=torch.arange(batch) % 24,
        weekday=torch.arange(batch) % 7,
        state_age=torch.rand(batch) * 1e5,
        activity_time=relative_time(activities, time),
    )


@torch.inference_mode()
def test_every_input_changes_the_logits(world: tuple[EncodedGraph, SequentialRanker]) -> None:
    encoded, ranker = world
    inputs = inputs_of(encoded, ranker, batch=8, slate=2)
    logits = ranker(inputs)
    changes = {
        "member_tokens": inputs.member_tokens.flip(0),
        "activity_tokens": inputs.activity_tokens.flip(0),
        "activity_mask": torch.zeros_like(inputs.activity_mask),
        "item_tokens": inputs.item_tokens.flip(1),
        "numbers": inputs.numbers + 1,
        "categories": 2 - inputs.categories,
        "surface": inputs.surface.flip(0),
        "hour": inputs.hour + 1,
        "weekday": 6 - inputs.weekday,
        "state_age": inputs.state_age + 1e5,
        "activity_time": inputs.activity_time.clamp(max=0) * 0 - 1,
    }
    assert {*changes, "activity_age"} == set(DecoderInputs._fields)  # of times the exact ones are read
    for name, change in changes.items():
        assert not torch.allclose(ranker(inputs._replace(**{name: change})), logits, atol=1e-5), name


@torch.inference_mode()
def test_a_slate_equals_slates_of_one(world: tuple[EncodedGraph, SequentialRanker]) -> None:
    inputs = inputs_of(*world, batch=5, slate=4)
    logits = world[1](inputs)
    for place in range(4):
        one = [inputs.item_tokens, inputs.numbers, inputs.categories]
        item, numbers, categories = (part[:, place : place + 1] for part in one)
        alone = world[1](inputs._replace(item_tokens=item, numbers=numbers, categories=categories))
        torch.testing.assert_close(alone[:, 0], logits[:, place], atol=1e-5, rtol=0)


@torch.inference_mode()
def test_what_is_masked_changes_nothing(world: tuple[EncodedGraph, SequentialRanker]) -> None:
    inputs = inputs_of(*world, batch=8, slate=2)
    hidden = inputs.activity_mask & (torch.arange(inputs.activity_mask.shape[1]) > 3)
    inputs = inputs._replace(activity_mask=hidden)
    garbage = torch.where(hidden.unsqueeze(-1), inputs.activity_tokens, 7.0)
    time = torch.where(hidden, inputs.activity_time, 12345)
    other = world[1](inputs._replace(activity_tokens=garbage, activity_time=time))
    torch.testing.assert_close(other, world[1](inputs), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_an_outcome_that_has_not_settled_changes_no_logit(world: tuple[EncodedGraph, SequentialRanker]) -> None:
    encoded, ranker = world
    seeds = encoded.graph.seeds
    rows = seeds.rows("test")
    cut = int(seeds.time[rows[len(rows) // 2]])
    open_then = seeds.settled >= cut
    labels = torch.where(open_then.unsqueeze(1), 1 - seeds.labels, seeds.labels)
    other = replace(encoded, graph=replace(encoded.graph, seeds=replace(seeds, labels=labels)))
    early, late = rows[seeds.time[rows] <= cut], rows[seeds.time[rows] > cut + 6 * HOUR]
    assert torch.equal(logits(encoded, ranker, early), logits(other, ranker, early))
    assert not torch.equal(logits(encoded, ranker, late), logits(other, ranker, late))


@torch.inference_mode()
def test_impressions_of_one_time_do_not_see_each_other() -> None:
    encoded, ranker = ready(replace(CONFIG, engagements="none"))
    graph, seeds = encoded.graph, encoded.graph.seeds
    tokens = ranker.activity_source(graph).activities(seeds.member, seeds.time, ranker.sequence_length)
    assert (tokens.time < seeds.time.unsqueeze(1))[tokens.mask].all()
    tied = torch.stack([tokens.time[:, 1:] == tokens.time[:, :-1], tokens.mask[:, :-1]]).all(dim=0)
    row, place = (int(column[0]) for column in tied.nonzero(as_tuple=True))
    history = ranker.activity_tokens(encoded, tokens, seeds.time)[row : row + 1]
    arguments = tokens.time[row : row + 1], tokens.mask[row : row + 1]
    changed = history.clone()
    changed[0, place + 1] += 1.0
    one, other = (ranker.history(each, *arguments)[0, place] for each in (history, changed))
    assert torch.equal(one, other)


@torch.inference_mode()
def test_a_table_of_all_inputs_changes_no_token(world: tuple[EncodedGraph, SequentialRanker]) -> None:
    encoded, ranker = world
    rows = encoded.graph.seeds.rows("test")
    found = score(ranker, encoded, batches(encoded, ranker).make(one_each(rows)), ranker.input_table(encoded))
    torch.testing.assert_close(found, logits(encoded, ranker, rows), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_cold_tokens_are_those_of_unknown_nodes(world: tuple[EncodedGraph, SequentialRanker]) -> None:
    encoded, ranker = world
    unknown, time = torch.tensor([-1]), encoded.graph.seeds.time[:1]
    sampler = Sampler(encoded.graph, hops=0)
    member = ranker.member_tokens(encoded, sampler.tree("member", unknown, time))[0]
    item = ranker.item_tokens(encoded, sampler.tree("item", unknown, time))[0]
    torch.testing.assert_close(ranker.cold_member_tokens(), member)
    torch.testing.assert_close(ranker.cold_item_tokens(), item)
    assert (len(member), len(item)) == ranker.rows


@torch.inference_mode()
def test_tokens_of_all_kinds_do_not_depend_on_when_they_are_read(
    world: tuple[EncodedGraph, SequentialRanker],
) -> None:
    encoded, ranker = world
    source, member = ranker.activity_source(encoded.graph), torch.arange(7)
    end = torch.full_like(member, encoded.graph.schema.window("test").end)
    tokens = source.activities(member, end, 60)
    assert set(tokens.edge[tokens.mask].tolist()) == {0, OUTCOME, FIRST_EDGE, FIRST_EDGE + 1}
    now, later = (ranker.activity_tokens(encoded, tokens, time) for time in (end, end + 100 * HOUR))
    assert torch.equal(now, later)
    assert (now != 0).any(dim=-1).equal(tokens.mask)


@pytest.mark.parametrize(
    "changed",
    [
        {"position_encoding": "learned"},
        {"position_encoding": "none", "profiles": False},
        {"counters": False, "linear_head": True, "experts": 0},
        {"engagements": "none", "item_neighbours": False, "edge_attributes": False},
        {"pieces": 3, "id_embeddings": False, "attention": False},
    ],
)
@torch.inference_mode()
def test_every_switch_gives_a_model(changed: dict[str, object]) -> None:
    encoded, ranker = ready(replace(CONFIG, **changed))  # type: ignore[arg-type]
    found = logits(encoded, ranker, encoded.graph.seeds.rows("test")[:9])
    assert found.shape == (9, 2)
    assert found.isfinite().all()


def batches(encoded: EncodedGraph, ranker: SequentialRanker) -> Batches:
    source = ranker.activity_source(encoded.graph)
    return Batches(encoded, ranker.sequence_length, hops=ranker.hops, source=source)


def logits(encoded: EncodedGraph, ranker: SequentialRanker, rows: Tensor) -> Tensor:
    return score(ranker, encoded, batches(encoded, ranker).make(one_each(rows)))


@torch.inference_mode()
def test_a_shift_of_the_heads_is_one_of_the_logits(world: tuple[EncodedGraph, SequentialRanker]) -> None:
    encoded, ranker = world
    rows, by = encoded.graph.seeds.rows("test")[:5], torch.tensor([0.5, -2.0])
    before = logits(encoded, ranker, rows)
    ranker.heads.shift(by)
    after = logits(encoded, ranker, rows)
    ranker.heads.shift(-by)
    torch.testing.assert_close(after, before + by, atol=1e-5, rtol=0)
