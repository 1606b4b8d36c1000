"""Streaming writer of safetensors files, for tensors that do not fit into memory.

The header comes first, so shapes must be known in advance. Each tensor's bytes are written to their position as they
arrive, by ordinary writes (a mapped file would count as memory of the process). The result has the same bytes as that
of ``safetensors.save_file``.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_NAMES = {torch.int64: "I64", torch.float32: "F32", torch.int32: "I32", torch.bool: "BOOL"}


class Shape(NamedTuple):
    """The type and shape of a tensor."""

    dtype: torch.dtype
    sizes: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its size in the file."""
        return self.dtype.itemsize * int(np.prod(self.sizes, dtype=np.int64))


class TensorFile:
    """A safetensors file being written: a context manager that raises ValueError if a tensor is incomplete."""

    def __init__(self, path: Path, shapes: Mapping[str, Shape]) -> None:
        """``shapes``: all tensors of the file by name, of dtype int64, float32, int32 or bool."""
        self.path, self._shapes = path, dict(shapes)
        order = sorted(shapes, key=lambda name: (list(_NAMES).index(shapes[name].dtype), name))
        header, self._next, self._end, place = {}, {}, {}, 0
        for name in order:
            dtype, sizes = shapes[name]
            end = place + shapes[name].bytes
            header[name] = {"dtype": _NAMES[dtype], "shape": list(sizes), "data_offsets": [place, end]}
            self._next[name], self._end[name], place = place, end, end
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        text += b" " * (-len(text) % 8)
        self._start = 8 + len(text)
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        self._write(len(text).to_bytes(8, "little") + text, 0)

    def append(self, name: str, values: np.ndarray) -> None:
        """Append values of any shape in C order. Raises ValueError for another dtype or too many values."""
        expected = torch.empty(0, dtype=self._shapes[name].dtype).numpy().dtype
        if values.dtype != expected or self._next[name] + values.nbytes > self._end[name]:
            raise ValueError(
                f"{self.path}, tensor {name!r}: expected at most {self._end[name] - self._next[name]} more bytes of "
                f"{expected}; found {values.nbytes} of {values.dtype}"
            )
        data = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        self._write(data, self._start + self._next[name])
        self._next[name] += values.nbytes

    def __enter__(self) -> "TensorFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        os.close(self._file)
        missing = {name: end - self._next[name] for name, end in self._end.items() if self._next[name] < end}
        if missing and kind is None:
            raise ValueError(f"{self.path}: expected every tensor to be filled; found bytes missing: {missing}")

    def _write(self, data: bytes | memoryview, place: int) -> None:
        while data:
            written = os.pwrite(self._file, data, place)
            data, place = data[written:], place + written


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors of any shape from memory to a safetensors file."""
    shapes = {name: Shape(tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    with TensorFile(path, shapes) as file:
        for name, tensor in tensors.items():
            file.append(name, tensor.cpu().contiguous().numpy())
