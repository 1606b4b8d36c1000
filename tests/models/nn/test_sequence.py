import math

import pytest
import torch

from models.nn.sequence import SequenceDecoder, prefix_mask
from tests.models.nn.batches import CONFIG

B, C, H, N, W = 3, 4, CONFIG.graph_tokens, CONFIG.activities, CONFIG.width


def test_the_mask_is_causal_after_the_graph_tokens() -> None:
    mask = prefix_mask(2, torch.tensor([[False, True, True]]))[0, 0]
    assert mask.int().tolist() == [
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 0, 1, 0],
        [1, 1, 0, 1, 1],
    ]


def decoder() -> SequenceDecoder:
    torch.manual_seed(0)
    return SequenceDecoder(CONFIG).eval()


def test_a_candidate_sees_the_prefix_and_itself_only() -> None:
    read = decoder()
    member, activities, candidates = torch.randn(B, H, W), torch.randn(B, N, W), torch.randn(B, C, H, W)
    mask = torch.ones(B, N, dtype=torch.bool)
    summary, tokens = read(member, activities, mask, candidates)
    other = candidates.clone()
    other[:, 1:] = torch.randn(B, C - 1, H, W)
    again, changed = read(member, activities, mask, other)
    torch.testing.assert_close(changed[:, 0], tokens[:, 0])
    torch.testing.assert_close(again, summary)
    assert not torch.allclose(changed[:, 1], tokens[:, 1])


def test_padding_and_what_it_holds_change_nothing() -> None:
    read = decoder()
    member, activities, candidates = torch.randn(B, H, W), torch.randn(B, N, W), torch.randn(B, C, H, W)
    mask = (torch.arange(N) >= 2).expand(B, N)
    noisy = torch.where(mask.unsqueeze(-1), activities, 1e3)
    for one, other in zip(
        read(member, activities, mask, candidates), read(member, noisy, mask, candidates), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_a_member_without_activities_and_an_empty_batch() -> None:
    read = decoder()
    none = torch.zeros(B, N, dtype=torch.bool)
    summary, tokens = read(torch.randn(B, H, W), torch.zeros(B, N, W), none, torch.randn(B, C, H, W))
    assert torch.isfinite(summary).all()
    assert torch.isfinite(tokens).all()
    summary, tokens = read(torch.zeros(0, H, W), torch.zeros(0, N, W), none[:0], torch.zeros(0, C, H, W))
    assert (summary.shape, tokens.shape) == ((0, 2 * W), (0, C, H, W))


@torch.inference_mode()
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_last_output_is_that_of_causal_attention_over_the_activities(count: int) -> None:
    read = decoder()
    activities, mask = torch.randn(6, count, W), torch.rand(6, count) < 0.6
    found = read.last_output(activities, mask)
    assert found.shape == (6, W)
    order = torch.ones(count, count, dtype=torch.bool).tril()
    for row in range(6):
        tokens = activities[row] + read.activity_position[:count]
        places = (order & mask[row]) | torch.eye(count, dtype=torch.bool)
        for block in read._layers:
            normed = block.norm(tokens)
            query, key, value = (
                part.view(count, CONFIG.heads, -1)
                for part in (block.query(normed), *block.key_value(normed).chunk(2, dim=1))
            )
            score = torch.einsum("nhd,mhd->hnm", query, key) / math.sqrt(W // CONFIG.heads)
            share = score.masked_fill(~places, -torch.inf).softmax(dim=2)
            tokens = tokens + block.out(torch.einsum("hnm,mhd->nhd", share, value).reshape(count, W))
            tokens = tokens + block.feed(block.feed_norm(tokens))
        torch.testing.assert_close(found[row], read.norm(tokens[-1]))
