"""The decoder's layers against plain formulas, a few lines each, that share no code with them."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.graph.tree import Branch
from models.nn.age import AGE_FEATURES, RHYTHMS, WINDOWS, age_features
from models.nn.context import Context
from models.nn.edges import AttributeEncoder, edge_features
from models.nn.heads import TaskHeads
from models.nn.long_term import LongTerm
from models.nn.matching import Matching
from models.nn.sequence import Block, SequenceDecoder
from models.nn.start import CommonSpace, PassThrough
from models.time_units import DAY
from tests.models.nn.batches import CONFIG, World, decoder_inputs

B, C, H, N, W = 3, 4, CONFIG.graph_tokens, CONFIG.activities, CONFIG.width


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def perturbed(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return module.eval()


def attention(block: Block, tokens: Tensor, seen: Tensor, places: Tensor) -> Tensor:
    """A pre-norm transformer layer over one row: tokens (n, w) attend to ``seen`` (m, w) where ``places`` (n, m)."""
    depth = W // CONFIG.heads
    query = block.query(block.norm(tokens)).view(len(tokens), CONFIG.heads, depth)
    key, value = block.key_value(block.norm(seen)).view(len(seen), 2, CONFIG.heads, depth).unbind(dim=1)
    score = torch.einsum("nhd,mhd->hnm", query, key) / math.sqrt(depth)
    share = score.masked_fill(~places, -torch.inf).softmax(dim=2)
    tokens = tokens + block.out(torch.einsum("hnm,mhd->nhd", share, value).reshape(len(tokens), W))
    first, relu, _, second = block.feed
    return tokens + second(relu(first(block.feed_norm(tokens))))


@torch.inference_mode()
@pytest.mark.parametrize("candidates", [1, C])
@pytest.mark.parametrize("causal", [True, False])
def test_the_transformer_is_pre_norm_attention_under_the_prefix_mask(candidates: int, causal: bool) -> None:
    decoder = perturbed(SequenceDecoder(replace(CONFIG, prefix_causal=causal)))
    assert isinstance(decoder, SequenceDecoder)
    member, activities, mask = torch.randn(B, H, W), torch.randn(B, N, W), torch.rand(B, N) < 0.7
    items = torch.randn(B, candidates, H, W)
    summary, outputs = decoder(member, activities, mask, items)
    place = torch.arange(H + N)
    for row in range(B):
        visible = torch.cat([torch.ones(H, dtype=torch.bool), mask[row]])
        order = (place.unsqueeze(1) >= place) | ((place < H) & (place.unsqueeze(1) < H)) | (not causal)
        prefix = torch.cat([member[row] + decoder.member_position, activities[row] + decoder.activity_position])
        states = [prefix]
        for block in decoder.blocks:
            states.append(attention(block, states[-1], states[-1], order & visible))
        last = decoder.norm(states[-1])
        torch.testing.assert_close(summary[row], torch.cat([last[:H].mean(dim=0), last[-1]]))
        for candidate in range(candidates):
            tokens = items[row, candidate] + decoder.candidate_position
            for block, state in zip(decoder.blocks, states, strict=False):
                own = torch.ones(H, dtype=torch.bool)
                places = torch.cat([visible, own]).expand(H, -1)
                tokens = attention(block, tokens, torch.cat([state, tokens]), places)
            torch.testing.assert_close(outputs[row, candidate], decoder.norm(tokens))


@torch.inference_mode()
@pytest.mark.parametrize("experts", [0, 3])
def test_heads_are_linear_over_the_shared_layers_plus_the_direct_path(experts: int) -> None:
    heads = perturbed(TaskHeads(replace(CONFIG, experts=experts), matches=5, crossed=3, tasks=2))
    summary, tokens = torch.randn(B, 2 * W), torch.randn(B, C, H, W)
    matches, context, crossed = torch.randn(B, C, 5), torch.randn(B, C, W), torch.randn(B, C, 3)
    found = heads(summary, tokens, matches, context, crossed)
    for row in range(B):
        for place in range(C):
            candidate = tokens[row, place].mean(dim=0)
            products = torch.cat([candidate * summary[row, :W], candidate * summary[row, W:]])
            inputs = torch.cat([candidate, summary[row], products, matches[row, place], context[row, place]])
            for task in range(2):
                if experts:
                    gate = heads.bottom.gates(inputs)[task * experts : (task + 1) * experts].softmax(dim=0)
                    shared = sum(g * expert(inputs) for g, expert in zip(gate, heads.bottom.experts, strict=True))
                else:
                    shared = heads.bottom(inputs)
                logit = heads.tasks.weight[task] @ shared + heads.tasks.bias[task]
                direct = heads.direct.weight[task] @ torch.cat([matches[row, place], crossed[row, place]])
                torch.testing.assert_close(found[row, place, task], logit + direct)


@torch.inference_mode()
def test_matches_are_gated_sums_over_activities_and_dot_products() -> None:
    matching = perturbed(Matching(CONFIG))
    member, item, activities = torch.randn(B, H, W), torch.randn(B, C, H, W), torch.randn(B, N, W)
    age, mask = age_features(torch.rand(B, N) * 1e6), torch.rand(B, N) < 0.6
    found = matching(member, activities, age, mask, item)
    for row in range(B):
        gates = [(torch.sigmoid(matching.gates(activities[row, n])), age[row, n]) for n in range(N) if mask[row, n]]
        kept = [activities[row, n] for n in range(N) if mask[row, n]]
        amount = sum(torch.outer(gate, ages[:WINDOWS]) for gate, ages in gates)  # (actions, windows)
        total = sum(gate for gate, _ in gates)
        habit = sum(torch.outer(gate, ages[WINDOWS : WINDOWS + RHYTHMS]) for gate, ages in gates)
        habit = habit / (1 + total).unsqueeze(1)
        for place in range(C):
            query = matching.query(item[row, place].mean(dim=0))
            fits = sum(
                torch.outer(gate, ages[:WINDOWS]) * (query @ vector) / math.sqrt(W)
                for (gate, ages), vector in zip(gates, kept, strict=True)
            ) / (1 + amount)
            dots = member[row] @ item[row, place].T / math.sqrt(W)
            expected = [fits, dots, amount.log1p(), habit]
            torch.testing.assert_close(found[row, place], torch.cat([part.flatten() for part in expected]))


@torch.inference_mode()
def test_the_long_term_loss_is_info_nce_over_the_steps_after_the_output() -> None:
    steps, rows, temperature = 2, 6, 0.1
    module = perturbed(LongTerm(replace(CONFIG, long_term=steps)))
    output, activities = torch.randn(rows, W), torch.randn(rows, N, W)
    mask = torch.rand(rows, N) < 0.8
    total = 0.0
    for row in range(rows):
        for step in range(steps):
            at = N - steps + step
            if not (mask[row, N - steps - 1] and mask[row, at]):
                continue
            predicted = module.foretell(output[row])[step * W : (step + 1) * W]
            others = [other for other in range(rows) if mask[other, at] and mask[other, N - steps - 1]]
            scores = [functional.cosine_similarity(predicted, activities[o, at], dim=0) / temperature for o in others]
            total += float(torch.stack(scores).logsumexp(dim=0) - scores[others.index(row)]) / steps
    assert total > 0
    assert float(module(output, activities, mask)) == pytest.approx(total, rel=1e-5)


@torch.inference_mode()
def test_the_context_is_read_early_and_late(world: World) -> None:
    config = replace(CONFIG, pieces=2)
    context = perturbed(Context(config, world.ranker.encoding, profiles=3))
    inputs, profiles = decoder_inputs(world, batch=2, slate=2), torch.randn(2, 2, 3)
    early, late, crossed = context(inputs, profiles)
    for row in range(2):
        age = age_features(inputs.state_age[row])
        clock = context.hour.weight[inputs.hour[row]], context.weekday.weight[inputs.weekday[row]]
        moment = torch.cat([context.surface.weight[inputs.surface[row] + 1], *clock, age])
        for place in range(2):
            features = torch.cat([inputs.numbers[row, place], profiles[row, place]])
            columns = torch.cat([features, context.categories(inputs.categories[row, place]), moment])
            cut = torch.stack([((features + 2.5) / 2.5).clamp(0, 1), (features / 2.5).clamp(0, 1)], dim=1).flatten()
            torch.testing.assert_close(crossed[row, place], context.cross(columns))
            torch.testing.assert_close(early[row, place], context.early(torch.cat([columns, cut])))
            torch.testing.assert_close(late[row, place], context.late(torch.cat([crossed[row, place], cut])))


def test_ages_are_windows_rhythms_and_a_logarithm() -> None:
    for seconds in (0.0, 30.0, 5_000.0, 90_000.0, 3_000_000.0):
        logarithm = math.log(max(seconds, 1))
        ends = [math.log(hours * 3600) for hours in (0.25, 1, 6, 24, 72, 240)]
        expected = [1 / (1 + math.exp(-6 * (end - logarithm))) for end in ends] + [1.0]
        expected += [math.cos(2 * math.pi * seconds / days / 86_400) for days in (1, 7)]
        expected += [logarithm / math.log(30 * 86_400)]
        assert len(expected) == AGE_FEATURES
        torch.testing.assert_close(age_features(torch.tensor(seconds)), torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_edge_features_are_presence_age_its_square_and_weight() -> None:
    mask = torch.tensor([[True, True, False]])
    ago, weight = torch.tensor([[0, DAY, 0]]), torch.tensor([[1.0, -2.0, 0.0]])
    zeros = torch.zeros(1, 3, dtype=torch.int64)
    age = 2 * math.log1p(86_400) / math.log1p(30 * 86_400) - 1
    expected = torch.tensor([[[1, -1, 1, math.log(2)], [1, age, age**2, 0], [0, 0, 0, 0]]])
    torch.testing.assert_close(edge_features(Branch(zeros, mask, -ago, weight, zeros, zeros)), expected)


def test_attributes_are_a_rectified_linear_map(world: World) -> None:
    features = world.ranker.encoding.edges["clicked"]
    encoder, edges = perturbed(AttributeEncoder(features)), world.encoded.edges["clicked"]
    row = torch.tensor([[0, 3], [5, 1]])
    table = encoder.categories.tables[0].weight
    values = torch.cat([edges.numbers[row], table[edges.categories[row][..., 0].long()]], dim=2)
    expected = torch.clamp(values @ encoder.map.weight.T + encoder.map.bias, min=0)
    torch.testing.assert_close(encoder(edges, row), expected)


@torch.inference_mode()
def test_a_node_s_input_is_the_normalized_sum_of_its_parts(world: World) -> None:
    encoder, nodes = world.ranker.inputs["member"], world.encoded.nodes["member"]
    plain = nodes.numbers.shape[1] - 4
    first, _, second = encoder.features
    table = encoder.categories.tables[0].weight
    for row in (0, len(nodes) - 1):
        bucket = nodes.id_hash[row] % 64 + 1 if row == 0 else 0
        values = torch.cat([nodes.numbers[row, :plain], table[nodes.categories[row, 0]]])
        total = second(first(values).clamp(min=0)) + encoder.vectors[0](nodes.numbers[row, plain:])
        total = total + encoder.identity.cold + encoder.identity.table.weight[bucket]
        total = total + (encoder.unknown if row else 0)
        torch.testing.assert_close(encoder(nodes, torch.tensor([row]))[0], encoder.norm(total))


def test_pass_through_starts_as_an_identity_per_block() -> None:
    layer = PassThrough(4, 8, share=0.5)
    rest = layer.weight - 0.5 * torch.eye(4).repeat(2, 1)
    assert not layer.bias.any()
    assert (
        0 < rest.abs().max() <= 0.1 / math.sqrt(4)
    )  # a tenth of the default, which is uniform within 1 / sqrt(inputs)
    wide = PassThrough(6, 3, bias=False)
    assert (wide.weight[:, :3] - torch.eye(3)).abs().max() <= 0.1 / math.sqrt(6)
    assert wide.weight[:, 3:].abs().max() <= 0.1 / math.sqrt(6)


def test_a_common_space_is_the_same_orthonormal_map_for_one_size() -> None:
    narrow, wide, again = CommonSpace(3, 5), CommonSpace(9, 4), CommonSpace(9, 4)
    assert torch.equal(narrow.weight, torch.eye(5, 3))
    assert torch.equal(wide.weight, again.weight)
    torch.testing.assert_close(wide.weight @ wide.weight.T, torch.eye(4))
    assert not narrow.bias.any()
    assert not wide.bias.any()


@torch.inference_mode()
def test_the_decoder_joins_its_parts(world: World) -> None:
    """``Ranker.forward`` by its formula: context fused into the candidates, ages into the activities."""
    ranker, inputs = world.ranker, decoder_inputs(world, batch=3, slate=2)
    graph_tokens, keys = CONFIG.graph_tokens, ranker.overlap.rows
    member, item = inputs.member_tokens, inputs.item_tokens
    stored = slice(graph_tokens, graph_tokens + keys)
    profile = ranker.member_profile(member[:, graph_tokens + keys :])
    profiles = torch.cat(
        [profile.unsqueeze(1).expand(-1, 2, -1), ranker.item_profile(item[:, :, graph_tokens + keys :])], dim=2
    )
    early, late, crossed = ranker.context(inputs, profiles)
    age, items = age_features(inputs.activity_age), item[:, :, :graph_tokens]
    summary, outputs = ranker.sequence(
        member[:, :graph_tokens],
        inputs.activity_tokens + ranker.age(age),
        inputs.activity_mask,
        items + ranker.fuse(early).unsqueeze(2),
    )
    shared = ranker.overlap(member[:, stored], item[:, :, stored])
    matches = ranker.matching(member[:, :graph_tokens], inputs.activity_tokens, age, inputs.activity_mask, items)
    expected = ranker.heads(summary, outputs, torch.cat([shared, matches], dim=2), late, crossed)
    torch.testing.assert_close(ranker(inputs), expected)
