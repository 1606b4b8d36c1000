"""The traced decoder: traced with two slates of three candidates, it must work for all sizes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from models.graph.sample import Sampler
from models.nn.encoded import encode_graph
from models.nn.inputs import DecoderInputs
from models.training.batches import relative_time
from serving.ranking.traced import traced
from tests.serving.world import ITEMS, MEMBERS, shared_graph, shared_model


def slates(number: int, candidates: int, seen: float) -> DecoderInputs:
    """Inputs of the decoder: known and unknown members and items, and partly masked activities."""
    dice = torch.Generator().manual_seed(100 * number + candidates)
    encoded, sampler = (
        encode_graph(shared_model().encoding, shared_model().schema, shared_graph()),
        Sampler(shared_graph()),
    )

    def some(most: int, *shape: int, unknown: int = 0) -> Tensor:
        return torch.randint(-unknown, most, shape, generator=dice)

    members, items = some(MEMBERS, number, unknown=MEMBERS), some(ITEMS, number * candidates, unknown=ITEMS)
    times = torch.full((number * candidates,), shared_graph().schema.window("test").end)
    activities = sampler.activities(some(MEMBERS, number), times[:number], shared_model().ranker.sequence_length)
    mask = activities.mask & (torch.rand(number, shared_model().ranker.sequence_length, generator=dice) < seen)
    device, place = [["phone", "desktop", "other"][i] for i in some(3, number)], some(9, number, candidates).float()
    columns = [{"device": d, "place": p.numpy()} for d, p in zip(device, place, strict=True)]
    numbers, categories = shared_model().encoding.encode_impressions(columns, candidates)
    with torch.no_grad():
        tokens = shared_model().ranker.item_tokens(encoded, sampler.tree("item", items.clamp(min=-1), times))
        return DecoderInputs(
            shared_model().ranker.member_tokens(encoded, sampler.tree("member", members.clamp(min=-1), times[:number])),
            shared_model().ranker.activity_tokens(encoded, activities, times[:number]) * mask.unsqueeze(-1),
            some(1_000_000, *mask.shape).float() * mask,
            mask,
            tokens.unflatten(0, (number, candidates)),
            torch.from_numpy(numbers),
            torch.from_numpy(categories),
            some(2, number, unknown=1),
            some(24, number),
            some(7, number),
            some(1_000_000, number).float(),
            relative_time(activities, times[:number]) * mask,
        )


@pytest.fixture(scope="module")
def trace() -> Callable[..., Tensor]:
    """One trace for all sizes: what torch specializes for one size must not break the next."""
    return traced(shared_model().ranker, slates(2, 3, seen=1.0))


@pytest.mark.parametrize("seen", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("candidates", [1, 2, 3, 17, 100])
@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_slates_of_any_number_and_size_are_decoded_alike(
    trace: Callable[..., Tensor], number: int, candidates: int, seen: float
) -> None:
    given = slates(number, candidates, seen)
    with torch.inference_mode():
        expected, found = shared_model().ranker(given), trace(*given)
    assert expected.shape == (number, candidates, len(shared_model().ranker.schema.seeds.tasks))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
