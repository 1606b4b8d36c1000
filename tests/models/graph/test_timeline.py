"""The search for the rows before a time: against plain counting, for owners with no, one and many rows."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.graph import timeline
from models.graph.compiler import gpu_compiler
from models.graph.timeline import Timeline


@pytest.mark.parametrize("most", [1, 2, 15, 16, 300])
def test_the_end_is_the_number_of_earlier_rows(most: int) -> None:
    rows = torch.tensor([0, most, 1, 0, most - 1])
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), rows.cumsum(0)])
    time = torch.cat([torch.arange(int(count)) // 2 for count in rows])
    owner = torch.arange(5).repeat_interleave(most // 2 + 3)
    queried = (torch.arange(most // 2 + 3) - 1).repeat(5)
    parts = [time[offsets[one] : offsets[one + 1]] for one in range(5)]
    expected = [
        int(offsets[one]) + int((parts[one] < moment).sum())
        for one, moment in zip(owner.tolist(), queried.tolist(), strict=True)
    ]
    assert Timeline(offsets, time).end(owner, queried).tolist() == expected


def test_without_owners_there_is_nothing_to_find() -> None:
    nothing = torch.zeros(0, dtype=torch.int64)
    found = Timeline(torch.tensor([0]), nothing)
    assert found.steps == 0
    assert found.end(nothing, nothing).shape == (0,)


def test_shapes_broadcast() -> None:
    found = Timeline(torch.tensor([0, 2, 3]), torch.tensor([1, 4, 2])).end(torch.tensor([[0], [1]]), torch.arange(6))
    assert found.tolist() == [[0, 0, 1, 1, 1, 2], [2, 2, 2, 3, 3, 3]]


def test_nothing_is_compiled_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled() -> None:
        raise AssertionError

    monkeypatch.setattr(timeline, "_compiled", compiled)
    assert Timeline(torch.tensor([0, 2]), torch.tensor([1, 4])).end(torch.tensor([0]), torch.tensor([2])).item() == 1


def test_a_gpu_compiles_the_search_where_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image that trains has no compiler."""
    rows: Any = Timeline(torch.tensor([0, 2]), torch.tensor([1, 4]))
    rows.time = SimpleNamespace(is_cuda=True)
    monkeypatch.setattr(timeline, "_search", lambda *_: "as it is")
    monkeypatch.setattr(timeline, "_compiled", lambda: lambda *_: "compiled")
    found = []
    for there in (False, True):
        monkeypatch.setattr(timeline, "gpu_compiler", lambda there=there: there)
        found.append(rows.end(torch.tensor([0]), torch.tensor([2])))
    assert found == ["as it is", "compiled"]


@pytest.mark.parametrize("missing", ["compiler", "headers", ""])
def test_a_compiler_for_gpus_needs_the_headers_of_python(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gpu_compiler.cache_clear()
    monkeypatch.setenv("CC", "no-such-compiler" if missing == "compiler" else "sh")
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / "none" if missing == "headers" else tmp_path))
    assert gpu_compiler() is (missing == "")
    assert ("is not compiled" in caplog.text) is (missing != "")
    gpu_compiler.cache_clear()


@pytest.mark.parametrize(("moment", "time", "seen"), [(1, 2, True), (2, 2, False), (3, 2, False)])
def test_a_row_is_visible_strictly_after_its_moment(moment: int, time: int, seen: bool) -> None:
    assert bool(timeline.is_before(torch.tensor(moment), torch.tensor(time))) is seen
