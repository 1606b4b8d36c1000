"""Which steps are recorded, and that a replay gives the step's gradients, on every GPU of the machine.

Without a GPU: the recorded code has the step's gradients and depends on no value.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeCopyMode, FakeTensorMode

from models.configs.training import TrainingConfig
from models.graph.fakes import fake_graph
from models.graph.store import TemporalGraph
from models.nn import activity
from models.nn.encoded import EncodedGraph, encode_graph
from models.nn.encoding import Encoding
from models.nn.model import Ranker
from models.training import step
from models.training.batches import Batches
from models.training.distributed import Ranks
from models.training.recorder import Backward, Recorder, recordable
from models.training.slices import Slices, cut, one_each
from models.training.step import Step
from tests.models.graph.worlds import varied
from tests.models.training.test_step import STILL

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
EVERYTHING = replace(STILL, long_term=2, experts=2, task_weighting="uncertainty")


@cache
def graph() -> TemporalGraph:
    return fake_graph()


class WithoutRecording(Recorder):
    """Runs each step at once, by the code that a GPU records."""

    def run(self, backward: Backward, slices: Slices, member_states: Tensor, defined: Tensor) -> Tensor:
        return backward(slices, member_states, defined)


def ready(device: str = "cpu") -> tuple[Ranker, EncodedGraph]:
    there = graph().to(device)
    encoding = Encoding.fit(there, there.schema.window("train").end)
    torch.manual_seed(0)
    return Ranker(EVERYTHING, there.schema, encoding).to(device), encode_graph(encoding, there.schema, there)


def gradients(
    ranker: Ranker, encoded: EncodedGraph, slices: Slices, member_states: Tensor, recorder: Recorder | None
) -> tuple[Tensor, dict[str, Tensor]]:
    batches = Batches(encoded, EVERYTHING.activities)
    loss = Step(ranker, batches, TrainingConfig(), Ranks(), recorder).gradient(slices, member_states, draw=1)
    return loss.clone(), {name: p.grad.clone() for name, p in ranker.named_parameters() if p.grad is not None}


def assert_equal(found: tuple[Tensor, dict[str, Tensor]], expected: tuple[Tensor, dict[str, Tensor]]) -> None:
    torch.testing.assert_close(found[0], expected[0], atol=1e-5, rtol=1e-5)
    assert found[1].keys() == expected[1].keys()
    for name, value in expected[1].items():
        torch.testing.assert_close(found[1][name], value, atol=1e-5, rtol=1e-4)


def test_only_steps_that_are_the_same_for_any_seeds_are_recorded() -> None:
    gpu = torch.device("cuda")
    assert recordable(graph().schema, gpu)
    assert not recordable(graph().schema, torch.device("cpu"))
    assert not recordable(varied(graph(), pageranks=()).schema, gpu)
    assert not recordable(varied(graph(), strategies=("most_recent",)).schema, gpu)


def test_full_batches_of_single_seeds_fit() -> None:
    rows = torch.arange(8)
    recorder = Recorder([], size=8)
    assert recorder.fits(one_each(rows))
    assert not recorder.fits(one_each(rows[:7]))
    assert not recorder.fits(cut(rows, torch.zeros(8), torch.zeros(8), size=2, hours=1.0))


def test_the_recorded_code_has_the_gradients_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    (ranker, encoded), seen = ready(), torch.arange(32) % 3
    slices = one_each(graph().seeds.rows("train")[:32])
    expected = gradients(ranker, encoded, slices, seen, None)
    monkeypatch.setattr(activity, "fill_rows", activity.fill_without_sync)
    assert_equal(gradients(ranker, encoded, slices, seen, WithoutRecording([], size=32)), expected)


@pytest.mark.parametrize("syncs", [False, True])
def test_the_recorded_code_depends_on_no_value(syncs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on tensors without values: no branch and no size may depend on one."""
    things = *ready(), one_each(graph().seeds.rows("train")[:32]), torch.arange(32) % 3
    gradients(*things, WithoutRecording([], size=32))  # warm, as before a recording
    if not syncs:
        monkeypatch.setattr(activity, "fill_rows", activity.fill_without_sync)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)  # no check of values then
    monkeypatch.setattr(step, "_on_device", step._on_device.__wrapped__)
    valueless = FakeTensorMode()
    with FakeCopyMode(valueless):
        things = deepcopy(things)
    with valueless:
        if syncs:  # the control: ``fill_rows`` depends on the number of rows
            with pytest.raises(DynamicOutputShapeException):
                gradients(*things, WithoutRecording([], size=32))
        else:
            assert gradients(*things, WithoutRecording([], size=32))[0].shape == ()


@pytest.mark.parametrize("device", DEVICES)
def test_replayed_gradients_are_those_of_the_step(device: str) -> None:
    ranker, encoded = ready(device)
    recorder = Recorder(list(ranker.parameters()), size=32) if device == "cuda" else WithoutRecording([], size=32)
    seen = torch.arange(32, device=device) % 3
    for part in encoded.graph.seeds.rows("train")[:96].split(32):
        expected, found = (gradients(ranker, encoded, one_each(part), seen, how) for how in (None, recorder))
        assert_equal(found, expected)


def test_a_step_is_recorded_after_two_runs_and_replayed_with_other_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording that repeats, as a GPU does, what was computed from the same tensors."""
    weight, log = torch.nn.Parameter(torch.zeros(2)), list[str]()
    out = torch.zeros(()), torch.zeros(2)

    def kernels(slices: Slices, member_states: Tensor, defined: Tensor) -> None:
        out[0].copy_(slices.rows.sum() + 10 * member_states.sum() + 100 * defined.sum())
        out[1].fill_(float(slices.rows[0]))

    class Graph:
        def replay(self) -> None:
            log.append("replay")
            kernels(recorder._slices, *recorder._others)

    class Stream(SimpleNamespace):
        def wait_stream(self, other: Any) -> None:
            log.append(f"{self.name} waits for {other.name}")

    @contextmanager
    def recording(graph: Graph) -> Iterator[None]:
        assert isinstance(graph, Graph)
        log.append("record")
        yield

    def backward(slices: Slices, member_states: Tensor, defined: Tensor) -> Tensor:
        log.append("backward")
        assert weight.grad is None or log.count("record") == 0
        kernels(slices, member_states, defined)
        weight.grad = out[1]
        return out[0]

    main, side = Stream(name="main"), Stream(name="side")
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: side)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: main)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", recording)
    monkeypatch.setattr(torch.random, "fork_rng", lambda devices: nullcontext())
    recorder = Recorder([weight], size=2)
    for rows, states, defined in (([3, 4], [0, 1], [2]), ([5, 9], [2, 0], [1])):
        weight.grad = None
        slices = one_each(torch.tensor(rows))
        loss = recorder.run(backward, slices, torch.tensor(states), torch.tensor(defined))
        assert loss.item() == sum(rows) + 10 * sum(states) + 100 * sum(defined)
        assert weight.grad is not None
        assert weight.grad.tolist() == [rows[0]] * 2
        assert slices.rows.tolist() == rows
    assert log == [
        "side waits for main",
        *["backward"] * 2,
        "main waits for side",
        *["record", "backward"],
        *["replay"] * 2,
    ]
