"""``forward`` against a plain loop over visible tokens, and ``slate`` against ``forward``."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from models.nn.errors import ModelError
from models.nn.history.transformer import HistoryTransformer, Positions
from tests.models.nn.history.histories import LONGEST, WIDTH, appended, random_history, transformer

POSITIONS: list[Positions] = ["rope", "learned", "none"]


def turned(parts: Tensor, place: int) -> Tensor:
    """One token's heads (heads, depth), turned by its place."""
    half = parts.shape[-1] // 2
    angle = place * 10_000.0 ** (-torch.arange(half) / half)
    pairs = torch.complex(parts[:, :half], parts[:, half:]) * torch.polar(torch.ones(half), angle)
    return torch.cat([pairs.real, pairs.imag], dim=-1)


def by_loop(model: HistoryTransformer, tokens: Tensor, time: Tensor) -> Tensor:
    """Outputs (n, w) of one member's n tokens without padding, token by token."""
    sees = [[other for other in range(len(time)) if time[other] < one or other == at] for at, one in enumerate(time)]
    place = [sum(bool(other < one) for other in time) for one in time]
    if model.place is not None:
        tokens = tokens + model.place.weight[place]
    for block in model._layers:
        split = [part.unflatten(-1, (model.heads, -1)) for part in block.parts(block.norm(tokens)).chunk(3, -1)]
        query, key, value = split
        if model.rotary is not None:
            query, key = (
                torch.stack([turned(one, at) for one, at in zip(part, place, strict=True)]) for part in split[:2]
            )
        mixed = []
        for at, seen in enumerate(sees):
            score = torch.einsum("hd,nhd->hn", query[at], key[seen]) / (WIDTH // model.heads) ** 0.5
            mixed.append(torch.einsum("hn,nhd->hd", score.softmax(-1), value[seen]).flatten())
        tokens = tokens + block.scale[0] * block.out(torch.stack(mixed))
        tokens = tokens + block.scale[1] * block.feed(block.feed_norm(tokens))
    return model.norm(tokens)


@pytest.mark.parametrize("positions", POSITIONS)
@torch.no_grad()
def test_outputs_are_those_of_a_loop_over_visible_tokens(positions: Positions) -> None:
    model, (tokens, time, mask) = transformer(positions), random_history(1, 4, 9)
    found = model(tokens, time, mask)
    for row in range(3):
        expected = by_loop(model, tokens[row, mask[row]], time[row, mask[row]])
        torch.testing.assert_close(found[row, mask[row]], expected)
    assert not found[~mask].any()


@given(st.integers(0, 2**31), st.integers(0, 12), st.integers(1, 8), st.sampled_from(POSITIONS))
@settings(max_examples=60)
@torch.no_grad()
def test_a_slate_equals_sequences_that_end_with_a_candidate(
    seed: int, length: int, moments: int, positions: Positions
) -> None:
    model, history = transformer(positions), random_history(seed, 3, length, moments)
    draw = torch.Generator().manual_seed(seed)
    candidates = torch.randn(3, 4, WIDTH, generator=draw)
    now = torch.randint(-3, moments, (3,), generator=draw)
    slate = model.slate(model.encode(*history), candidates, now)
    for place in range(4):
        alone = model(*appended(history, candidates[:, place], now))[:, -1]
        assert (slate[:, place] - alone).abs().max() <= 1e-6 * max(1, alone.abs().max())


@pytest.mark.parametrize("positions", POSITIONS)
@torch.no_grad()
def test_nothing_at_or_after_a_token_reaches_it(positions: Positions) -> None:
    model, (tokens, time, mask) = transformer(positions), random_history(2, 4, 12)
    before = model(tokens, time, mask)
    late = time >= 1
    noisy = torch.where(late.unsqueeze(-1), torch.randn_like(tokens), tokens)
    after = model(noisy, time, mask & ~(late & (torch.rand(time.shape) < 0.5)))
    early = mask & ~late
    assert early.any()
    torch.testing.assert_close(after[early], before[early])


@torch.no_grad()
def test_a_short_history_is_encoded_without_its_padding() -> None:
    model, (tokens, time, mask) = transformer(), random_history(11, 3, 6)
    long = [functional.pad(part, (0, 0, 30, 0) if part.ndim == 3 else (30, 0)) for part in (tokens, time, mask)]
    kept = model.encode(*long)
    assert kept.keys.shape[3] == kept.mask.shape[1] == int(mask.sum(dim=1).max())
    candidates, now = torch.randn(3, 2, WIDTH), torch.tensor([3, 3, 3])
    torch.testing.assert_close(
        model.slate(kept, candidates, now), model.slate(model.encode(tokens, time, mask), candidates, now)
    )


@torch.no_grad()
def test_equal_times_do_not_see_each_other() -> None:
    model, tokens = transformer(), torch.randn(1, 5, WIDTH)
    together = model(tokens, torch.zeros(1, 5, dtype=torch.int64), torch.ones(1, 5, dtype=torch.bool))
    alone = model(tokens.transpose(0, 1), torch.zeros(5, 1, dtype=torch.int64), torch.ones(5, 1, dtype=torch.bool))
    torch.testing.assert_close(together[0], alone[:, 0])


@torch.no_grad()
def test_the_order_in_which_tokens_are_given_does_not_matter() -> None:
    model, (tokens, time, mask) = transformer(), random_history(3, 4, 11)
    order = torch.randperm(11)
    torch.testing.assert_close(
        model(tokens[:, order], time[:, order], mask[:, order]), model(tokens, time, mask)[:, order]
    )


@pytest.mark.parametrize("fill", [torch.nan, torch.inf, 1e30])
def test_what_padding_holds_reaches_neither_outputs_nor_gradients(fill: float) -> None:
    model, (tokens, time, mask) = transformer(), random_history(4, 4, 7)
    noisy = tokens.masked_fill(~mask.unsqueeze(-1), fill).requires_grad_()
    found = model(noisy, time.masked_fill(~mask, torch.iinfo(torch.int64).max), mask)
    torch.testing.assert_close(found, model(tokens, time, mask))
    found.square().sum().backward()
    assert not noisy.grad[~mask].any()
    assert all(torch.isfinite(one.grad).all() for one in (noisy, *model.parameters()))


@pytest.mark.parametrize(("batch", "length"), [(0, 3), (2, 0), (0, 0)])
@torch.no_grad()
def test_no_members_and_no_tokens(batch: int, length: int) -> None:
    model, history = transformer(), random_history(5, batch, length)
    assert model(*history).shape == (batch, length, WIDTH)
    now = torch.zeros(batch, dtype=torch.int64)
    found = model.slate(model.encode(*history), torch.randn(batch, 3, WIDTH), now)
    assert found.shape == (batch, 3, WIDTH)
    assert torch.isfinite(found).all()
    assert model.slate(model.encode(*history), torch.randn(batch, 0, WIDTH), now).shape == (batch, 0, WIDTH)


def test_gradients_flow_through_a_slate_as_through_sequences() -> None:
    history, candidates, now = random_history(6, 3, 8), torch.randn(3, 2, WIDTH), torch.tensor([1, 3, 0])
    found = []
    for in_one_pass in (True, False):
        model = transformer()
        if in_one_pass:
            outputs = model.slate(model.encode(*history), candidates, now)
        else:
            outputs = torch.stack([model(*appended(history, one, now))[:, -1] for one in candidates.unbind(1)], dim=1)
        outputs.square().sum().backward()
        found.append({name: value.grad for name, value in model.named_parameters()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(gradient, found[1][name], msg=name)


@torch.no_grad()
def test_half_precision_keys_and_values_serve() -> None:
    model, history = transformer(), random_history(7, 3, 12)
    kept = model.encode(*history)
    half = kept._replace(keys=kept.keys.half(), values=kept.values.half())
    candidates, now = torch.randn(3, 4, WIDTH), torch.tensor([9, 9, 9])
    torch.testing.assert_close(
        model.slate(half, candidates, now), model.slate(kept, candidates, now), atol=0.01, rtol=0
    )


@torch.no_grad()
def test_a_trace_serves_histories_and_slates_of_any_size() -> None:
    model = transformer()

    class Scored(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: Tensor) -> Tensor:
            return self.model.slate(self.model.encode(*inputs[:3]), *inputs[3:])

    def example(batch: int, length: int, slate: int) -> tuple[Tensor, ...]:
        return *random_history(8, batch, length), torch.randn(batch, slate, WIDTH), torch.full((batch,), 3)

    traced = torch.jit.trace(Scored().eval(), example(2, 5, 3), check_trace=False)
    for sizes in ((2, 5, 3), (3, 33, 7), (4, 1, 1), (1, 6, 2)):
        given = example(*sizes)
        torch.testing.assert_close(traced(*given), Scored()(*given))
        given[2][:, 1:] = False  # now nearly all is padding, which is cut off
        torch.testing.assert_close(traced(*given), Scored()(*given))


def test_devices_are_those_of_the_inputs() -> None:
    model, history = transformer(), random_history(9, 2, 5)
    with torch.device("meta"):
        outputs = model(*history)
        slate = model.slate(model.encode(*history), history.tokens, history.time[:, 0])
    assert outputs.device.type == slate.device.type == "cpu"


def test_weights_start_anew() -> None:
    model = transformer("learned")
    model.reset_parameters()
    for block in model._layers:
        assert block.scale.tolist() == [1, 1]
        assert (block.norm.weight == 1).all()
    assert model.place is not None
    assert float(model.place.weight.detach().std()) < 0.03


@pytest.mark.parametrize(
    ("width", "heads", "positions"), [(6, 4, "none"), (12, 4, "rope"), (0, 1, "none"), (4, 0, "none")]
)
def test_sizes_that_do_not_fit_are_named(width: int, heads: int, positions: Positions) -> None:
    with pytest.raises(ModelError, match="width"):
        HistoryTransformer(width, 1, heads, 0.0, positions, 10)


def test_more_tokens_than_it_was_built_for_are_an_error() -> None:
    with pytest.raises(ModelError, match=f"at most {LONGEST} tokens a member; found {LONGEST + 1}"):
        transformer()(*random_history(10, 2, LONGEST + 1))
