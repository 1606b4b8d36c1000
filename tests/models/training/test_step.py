from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.configs.model import ModelConfig
from models.configs.training import Precision
from models.graph.store import TemporalGraph
from models.nn import long_term
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.training import compiled
from models.training.artifact import load_model
from models.training.batches import Batches
from models.training.distributed import Ranks
from models.training.errors import CompilerError
from models.training.recorder import Recorder
from models.training.slices import Slices, cut, one_each
from models.training.step import Step, _all_inputs, _parts
from models.training.train import Scope, train
from tests.models.training.small import MODEL, TRAINING, small_graph

STILL = replace(MODEL, dropout=0.0, id_dropout=0.0)


def ready(graph: TemporalGraph, config: ModelConfig = STILL) -> tuple[Ranker, EncodedGraph, Slices]:
    encoding = Encoding.fit(graph, graph.schema.window("train").end)
    torch.manual_seed(0)
    ranker = Ranker(config, graph.schema, encoding)
    rows = graph.seeds.rows("train")
    slices = cut(rows, graph.seeds.member[rows], graph.seeds.time[rows], 3, 24.0).parts(4)[0]
    return ranker, encode_graph(encoding, graph.schema, graph), slices


def gradients(
    graph: TemporalGraph,
    accumulate: int = 1,
    precision: Precision = "float32",
    ranks: Ranks | None = None,
    model: ModelConfig = STILL,
) -> tuple[Tensor, dict[str, Tensor]]:
    ranker, encoded, slices = ready(graph, model)
    member_states = torch.arange(len(slices)) % 3
    batches = Batches(encoded, STILL.activities)
    config = replace(TRAINING, accumulate=accumulate, precision=precision)
    loss = Step(ranker, batches, config, ranks or Ranks()).gradient(slices, member_states, draw=1)
    return loss, {name: p.grad for name, p in ranker.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("accumulate", [2, 5, 40])
def test_the_gradient_of_the_parts_is_that_of_the_whole(accumulate: int) -> None:
    """Tasks are defined on different rows of each part: each is divided by the whole step's rows."""
    graph = small_graph()
    loss, expected = gradients(graph)
    parted, found = gradients(graph, accumulate)
    torch.testing.assert_close(parted, loss, atol=1e-6, rtol=0)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-6, rtol=0)


def test_parts_add_up_with_the_long_term_loss_and_learned_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """If both take their negatives from the same rows, those of a part."""
    graph, model = small_graph(), replace(STILL, long_term=2, task_weighting="uncertainty", experts=2)
    half = len(ready(graph)[2]) // 2
    monkeypatch.setattr(long_term, "_NEGATIVES", half)
    loss, expected = gradients(graph, model=model)
    parted, found = gradients(graph, accumulate=2, model=model)
    torch.testing.assert_close(parted, loss, atol=1e-6, rtol=0)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert expected["task_spread"].all()
    assert expected["long_term.foretell.weight"].any()


def test_bfloat16_computes_float32_gradients_near_those_of_float32() -> None:
    graph = small_graph()
    loss, expected = gradients(graph)
    rough, found = gradients(graph, precision="bfloat16")
    assert rough.dtype == torch.float32
    assert {value.dtype for value in found.values()} == {torch.float32}
    torch.testing.assert_close(rough, loss, atol=0.02, rtol=0)
    whole, other = (torch.cat([g[name].flatten() for name in expected]) for g in (expected, found))
    assert torch.nn.functional.cosine_similarity(whole, other, dim=0) > 0.99
    assert not torch.equal(whole, other)


def test_a_model_trained_in_bfloat16_is_stored_in_float32(tmp_path: Path) -> None:
    config = replace(TRAINING, precision="bfloat16")
    model = load_model(train(small_graph(), MODEL, config, tmp_path / "model", scope=Scope(epochs=1), device="cpu"))
    assert {value.dtype for value in model.ranker.parameters()} == {torch.float32}


def test_a_compiled_decoder_gives_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced as for the compiler, run as it is: code generation takes minutes."""
    traced, compile_ = [], torch.compile
    monkeypatch.setattr(
        compiled.torch,
        "compile",
        lambda model, dynamic: traced.append(1) or compile_(model, dynamic=dynamic, backend="eager"),
    )
    weights = []
    for changes in ({}, {"compile": True}):
        config = replace(TRAINING, batch_size=200, **changes)
        model = load_model(train(small_graph(), STILL, config, tmp_path / "model", scope=Scope(epochs=1), device="cpu"))
        weights.append(model.ranker.state_dict())
    assert traced == [1]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-5, rtol=0)


def test_without_a_compiler_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(CompilerError, match=r"expected a C\+\+ compiler; found no 'no-such-compiler'"):
        train(small_graph(), MODEL, replace(TRAINING, compile=True), tmp_path / "model", device="cpu")


def test_a_step_forgets_the_gradients_of_the_one_before() -> None:
    graph = small_graph()
    _, expected = gradients(graph)
    ranker, encoded, slices = ready(graph)
    for parameter in ranker.parameters():
        parameter.grad = torch.ones_like(parameter)
    step = Step(ranker, Batches(encoded, STILL.activities), TRAINING, Ranks())
    step.gradient(slices, torch.arange(len(slices)) % 3, draw=1)
    found = {name: p.grad for name, p in ranker.named_parameters() if p.grad is not None}
    torch.testing.assert_close(found, expected)
    assert "task_spread" not in found


@pytest.mark.parametrize("count", [1, 2, 3])
def test_parts_are_runs_with_their_states(count: int) -> None:
    slices, states = one_each(torch.arange(10, 16)), torch.arange(6)
    parts = _parts(slices, states, count)
    assert [part.rows.tolist() for part, _ in parts] == [part.tolist() for part in slices.rows.chunk(count)]
    assert [own.tolist() for _, own in parts] == [part.tolist() for part in states.chunk(count)]


def test_only_steps_of_one_part_are_recorded() -> None:
    ranker, encoded, _ = ready(small_graph())
    batches, recorder = Batches(encoded, STILL.activities), Recorder([], 4)
    for accumulate, expected in ((1, recorder), (2, None)):
        step = Step(ranker, batches, replace(TRAINING, accumulate=accumulate), Ranks(), recorder)
        assert step.recorder is expected


@pytest.mark.parametrize(
    ("on_gpu", "states", "expected"), [(True, 399, True), (True, 400, True), (True, 401, False), (False, 1, False)]
)
def test_all_inputs_are_computed_on_a_gpu_where_a_step_uses_about_as_many(
    on_gpu: bool, states: int, expected: bool
) -> None:
    class Rows(list[int]):
        is_cuda = on_gpu

    encoded: Any = SimpleNamespace(states=states)
    part: Any = SimpleNamespace(rows=Rows([0, 0]))
    assert _all_inputs(encoded, part) is expected
