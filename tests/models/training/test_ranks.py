"""Processes of one training without starting any: what is exchanged, and which group is joined."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from models.training import distributed as module
from models.training.distributed import Ranks, process_group, ranks

CPU = torch.device("cpu")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Calls of torch's functions that concern other processes or GPUs, which are not made."""
    made: list[Any] = []

    def record(name: str) -> Callable[..., None]:
        return lambda *given, **named: made.append((name, *given, named))

    for name in ("barrier", "init_process_group", "destroy_process_group"):
        monkeypatch.setattr(module.distributed, name, record(name))
    monkeypatch.setattr(torch.cuda, "set_device", record("set_device"))
    return made


def test_gradients_and_losses_are_added_in_one_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process reached the second parameter alone, with 10, 20, and had a loss of 5."""
    both, other, own, none = (Parameter(torch.zeros(2)) for _ in range(4))
    both.grad, own.grad = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    sent: list[list[float]] = []

    def add(flat: Tensor) -> None:
        sent.append(flat.tolist())
        flat += torch.tensor([10.0, 20.0, 10.0, 20.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 5.0])

    monkeypatch.setattr(module.distributed, "all_reduce", add)
    loss = Ranks(1, 2).sum_gradients([both, other, own, none], torch.tensor(7.0))
    assert sent == [[1.0, 2.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 7.0]]
    assert (loss.item(), loss.shape) == (12.0, ())
    found = [None if p.grad is None else p.grad.tolist() for p in (both, other, own, none)]
    assert found == [[11.0, 22.0], [10.0, 20.0], [3.0, 4.0], None]


def test_the_first_process_s_values_are_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[int] = []

    def broadcast(numbers: Tensor, src: int) -> None:
        sources.append(src)
        numbers += 1

    monkeypatch.setattr(module.distributed, "broadcast", broadcast)
    assert Ranks(1, 2).share({"a": 0.1, "b": 2.0}, CPU) == {"a": 1.1, "b": 3.0}
    assert sources == [0]


def test_only_several_processes_wait_for_each_other(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    Ranks().wait()
    assert not calls
    Ranks(0, 2).wait()
    Ranks(1, 3).wait()
    assert [name for name, *_ in calls] == ["barrier"] * 2
    monkeypatch.setattr(Ranks, "share", lambda _, values, device: values)
    Ranks(1, 2).agree("epochs done", 2, CPU)
    assert len(calls) == 3


def test_the_first_process_leads() -> None:
    assert [Ranks(rank, 3).leads for rank in range(3)] == [True, False, False]
    assert (Ranks(), Ranks().leads) == (Ranks(0, 1), True)


def test_in_a_group_a_process_knows_its_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(module.distributed, "get_rank", lambda: 2)
    monkeypatch.setattr(module.distributed, "get_world_size", lambda: 4)
    assert ranks() == Ranks(2, 4)


@pytest.mark.parametrize(("device", "gpu"), [("cpu", False), (None, False), ("cuda", True), (None, True)])
def test_under_torchrun_a_process_takes_its_device_and_leaves_the_group(
    calls: list[Any], monkeypatch: pytest.MonkeyPatch, device: str | None, gpu: bool
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    wait, own = timedelta(seconds=5), torch.device("cuda", 1) if gpu else CPU
    found: list[torch.device] = []

    def fail() -> None:
        with process_group(device, wait) as own_device:
            found.append(own_device)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    assert found == [own]
    joined = {"timeout": wait, "device_id": own if gpu else None}
    expected = [("init_process_group", "nccl" if gpu else "gloo", joined), ("destroy_process_group", {})]
    assert calls == [("set_device", own, {})] * gpu + expected


@pytest.mark.parametrize("gpu", [False, True])
def test_alone_a_process_joins_no_group(calls: list[Any], monkeypatch: pytest.MonkeyPatch, gpu: bool) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    with process_group() as found:
        assert found == torch.device("cuda" if gpu else "cpu")
    with process_group("cpu") as found:
        assert found == CPU
    assert not calls
