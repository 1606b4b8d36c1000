from dataclasses import replace

import pytest
import torch
from torch import Tensor

from models.graph.sample import Sampler
from models.nn.clock import local_clock
from models.nn.config import ModelConfig
from models.nn.errors import ConfigError
from models.nn.model import Ranker
from tests.nn.batches import CONFIG, member_side, ready

GRAPH, ENCODED, RANKER = ready()


def decoder_inputs(batch: int, slate: int) -> dict[str, Tensor]:
    rows = GRAPH.seeds.rows("test")[:batch]
    tree, activities = member_side(GRAPH, RANKER, rows)
    time = GRAPH.seeds.time[rows]
    items = torch.arange(slate).repeat(batch, 1)
    tokens = RANKER.item_tokens(
        ENCODED, Sampler(GRAPH).tree("item", items.flatten(), time.repeat_interleave(slate))
    ).unflatten(0, (batch, slate))
    return {
        "member_tokens": RANKER.member_tokens(ENCODED, tree),
        "activity_tokens": RANKER.activity_tokens(ENCODED, activities, time),
        "activity_age": (time.unsqueeze(1) - activities.time).float() / 1e6 * activities.mask,
        "activity_mask": activities.mask,
        "item_tokens": tokens,
        "numbers": ENCODED.impression_numbers[: batch * slate].unflatten(0, (batch, slate)),
        "categories": ENCODED.impression_categories[: batch * slate].unflatten(0, (batch, slate)),
        "surface": torch.arange(batch) % 3 - 1,
        "hour": torch.arange(batch) % 24,
        "weekday": torch.arange(batch) % 7,
        "state_age": torch.rand(batch) * 1e5,
    }


@torch.inference_mode()
def test_a_slate_equals_slates_of_one() -> None:
    inputs = decoder_inputs(batch=6, slate=5)
    whole = RANKER.decode(**inputs)
    assert whole.shape == (6, 5, 2)
    assert whole.std(dim=1).min() > 1e-4  # candidates do differ
    for place in range(5):
        only = slice(place, place + 1)
        single = {name: inputs[name][:, only] for name in ("item_tokens", "numbers", "categories")}
        torch.testing.assert_close(RANKER.decode(**{**inputs, **single}), whole[:, only], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_the_decoder_reads_everything_that_it_is_given() -> None:
    inputs = decoder_inputs(batch=8, slate=2)
    logits = RANKER.decode(**inputs)
    changes = {
        "member_tokens": inputs["member_tokens"].flip(0),
        "activity_tokens": inputs["activity_tokens"].flip(0),
        "activity_age": inputs["activity_age"] * 3,
        "activity_mask": torch.zeros_like(inputs["activity_mask"]),
        "item_tokens": inputs["item_tokens"].flip(1),
        "numbers": inputs["numbers"] + 1,
        "categories": 2 - inputs["categories"],
        "surface": inputs["surface"].flip(0),
        "hour": inputs["hour"] + 1,
        "weekday": 6 - inputs["weekday"],
        "state_age": inputs["state_age"] + 1e5,
    }
    for name, change in changes.items():
        assert not torch.allclose(RANKER.decode(**{**inputs, name: change}), logits, atol=1e-5), name


@torch.inference_mode()
def test_a_table_of_all_inputs_changes_no_token() -> None:
    rows = GRAPH.seeds.rows("test")
    tree, activities = member_side(GRAPH, RANKER, rows)
    time, table = GRAPH.seeds.time[rows], RANKER.input_table(ENCODED)
    torch.testing.assert_close(RANKER.member_tokens(ENCODED, tree, table), RANKER.member_tokens(ENCODED, tree))
    one, other = (RANKER.activity_tokens(ENCODED, activities, time, given) for given in (table, None))
    torch.testing.assert_close(one, other)
    assert (one[~activities.mask] == 0).all()


@torch.inference_mode()
def test_an_empty_batch_and_an_empty_slate() -> None:
    assert RANKER.decode(**decoder_inputs(batch=0, slate=3)).shape == (0, 3, 2)
    assert RANKER.decode(**decoder_inputs(batch=2, slate=0)).shape == (2, 0, 2)


def test_every_weight_learns() -> None:
    ranker = Ranker(CONFIG, GRAPH.schema, RANKER.encoding)
    rows = torch.cat([GRAPH.seeds.rows("validate"), GRAPH.seeds.rows("test")])
    tree, activities = member_side(GRAPH, ranker, rows)
    time, item = GRAPH.seeds.time[rows], GRAPH.seeds.item[rows]
    logits = ranker.decode(
        ranker.member_tokens(ENCODED, tree),
        ranker.activity_tokens(ENCODED, activities, time),
        (time.unsqueeze(1) - activities.time).float() / 1e6 * activities.mask,
        activities.mask,
        ranker.item_tokens(ENCODED, Sampler(GRAPH).tree("item", item, time)).unsqueeze(1),
        ENCODED.impression_numbers[rows].unsqueeze(1),
        ENCODED.impression_categories[rows].unsqueeze(1),
        ENCODED.surface[rows],
        *local_clock(time, GRAPH.schema.seeds.timezone_offset),
    )
    (logits * torch.randn_like(logits)).sum().backward()
    # No member and no creator is unknown in these rows, so that nothing asks for their vectors of the unknown node.
    idle = {"inputs.member.unknown", "inputs.creator.unknown"}
    silent = {n for n, p in ranker.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())}
    assert silent <= idle


def test_the_clock_is_local() -> None:
    noon_on_a_sunday = torch.tensor([1_700_395_200_000_000])  # 2023-11-19 12:00 UTC
    assert [part.tolist() for part in local_clock(noon_on_a_sunday, 0)] == [[12], [6]]
    assert [part.tolist() for part in local_clock(noon_on_a_sunday, 13 * 3_600_000_000)] == [[1], [0]]
    assert [part.tolist() for part in local_clock(torch.tensor([-1]), 0)] == [[23], [2]]


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
def test_a_configuration_that_cannot_be_used_is_refused(key: str, value: object, expected: str) -> None:
    with pytest.raises(ConfigError, match=f"model.{key}: expected {expected}; found {value!r}"):
        Ranker(replace(ModelConfig(), **{key: value}), GRAPH.schema, RANKER.encoding)
