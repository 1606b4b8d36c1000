"""Files of tensors filled piece by piece: byte for byte what safetensors writes."""

import itertools
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save

from models.graph.writer import Shape, TensorFile, write_tensors

SHAPES = {"time": Shape(torch.int64, (3,)), "wide": Shape(torch.float32, (2, 2))}


@given(st.lists(st.integers(0, 4), max_size=5), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_pieces_make_the_file_that_safetensors_makes(cuts: list[int], width: int) -> None:
    ends = [0, *itertools.accumulate(cuts)]
    tensors = {
        "target": torch.arange(ends[-1], dtype=torch.int32),
        "time": torch.arange(ends[-1]) - 2,
        "empty": torch.zeros(0),
        "ä": torch.rand(ends[-1], width),
    }
    shapes = {name: Shape(tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "one.safetensors"
        with TensorFile(path, shapes) as file:
            for start, end in itertools.pairwise(ends):
                for name in ("time", "target", "ä"):
                    file.append(name, tensors[name][start:end].numpy())
        assert path.read_bytes() == save(tensors)
        assert all(torch.equal(tensor, tensors[name]) for name, tensor in load_file(path).items())
        write_tensors(path, tensors)
        assert path.read_bytes() == save(tensors)


def test_what_is_too_much_too_little_or_of_another_type_is_refused(tmp_path: Path) -> None:
    file = TensorFile(tmp_path / "one.safetensors", SHAPES)
    with pytest.raises(ValueError, match="expected at most 24 more bytes of int64; found 32 of int64"):
        file.append("time", np.zeros(4, np.int64))
    with pytest.raises(ValueError, match="of int64; found 12 of int32"):
        file.append("time", np.zeros(3, np.int32))
    file.append("time", np.zeros(3, np.int64))
    file.append("wide", np.zeros((1, 2), np.float32))
    with pytest.raises(ValueError, match="expected at most 8 more bytes of float32; found 12 of float32"):
        file.append("wide", np.zeros(3, np.float32))
    with pytest.raises(ValueError, match=r"expected every tensor to be filled; found bytes missing: .'wide': 8"), file:
        pass


def test_an_error_while_writing_is_the_one_that_is_reported(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="mine"), TensorFile(tmp_path / "one.safetensors", SHAPES):
        raise KeyError("mine")


def test_a_write_in_parts_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, place: pwrite(file, data[:3], place))
    tensors = {"time": torch.arange(5) * 7, "wide": torch.rand(2, 3)}
    write_tensors(tmp_path / "one.safetensors", tensors)
    assert (tmp_path / "one.safetensors").read_bytes() == save(tensors)


def test_a_written_file_is_closed_and_nobody_can_execute_it(tmp_path: Path) -> None:
    with TensorFile(tmp_path / "one.safetensors", {}) as file:
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file._file)
    assert (tmp_path / "one.safetensors").stat().st_mode & 0o711 == 0o600
