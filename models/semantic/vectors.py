"""Vectors of keys in a Parquet file, read batch by batch, each row checked."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from models.semantic.errors import SemanticError
from models.semantic.quantizer import usable

MOST_ROWS, MOST_SIZE = 50_000_000, 4096
_BATCH = 8_192


class Batch(NamedTuple):
    """Some rows of the file."""

    first: int
    """Number of the first row, from 0."""
    keys: pa.Array
    """(n,) without nulls."""
    known: np.ndarray
    """(n,) bool: whether the row has a vector."""
    vectors: Tensor
    """(known rows, d) float32."""


class VectorFile:
    """A Parquet file with a column of keys and one of vectors. Every pass gives the same batches."""

    def __init__(self, path: Path, key: str, vector: str) -> None:
        """Raises SemanticError if it is no such file."""
        self.path, self.key, self.vector = path, key, vector
        if key == vector:
            raise SemanticError(f"--vector: expected another column than that of the keys; found {vector!r:.80} twice")
        if not path.is_file():
            raise SemanticError(f"{path}: expected a Parquet file; found {'a folder' if path.is_dir() else 'none'}")
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise SemanticError(f"{path}: expected a Parquet file; found {' '.join(str(error).split()):.200}") from None
        self.schema = self._file.schema_arrow
        self.rows: int = self._file.metadata.num_rows
        for name in (key, vector):
            if self.schema.names.count(name) != 1:
                found = ", ".join(self.schema.names)
                raise SemanticError(f"{path}: expected the column {name!r:.80} once; found {found:.300}")
        kind = self.schema.field(key).type
        if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise SemanticError(f"{path}: expected integers or text in {key!r:.80}; found {kind}")
        if not _is_vector(self.schema.field(vector).type):
            raise SemanticError(
                f"{path}: expected lists of numbers in {vector!r:.80}; found {self.schema.field(vector).type}"
            )
        if not 1 <= self.rows <= MOST_ROWS:
            raise SemanticError(f"{path}: expected 1 to {MOST_ROWS:,} rows; found {self.rows:,}")

    def batches(self) -> Iterator[Batch]:
        """The rows in their order. Raises SemanticError for the first row that is wrong."""
        first, size = 0, 0
        for read in self._read():
            keys = read.column(self.key)
            if keys.null_count:
                row = first + int(np.flatnonzero(keys.is_null().to_numpy(zero_copy_only=False))[0])
                raise SemanticError(f"{self.path}, row {row}: expected a key in {self.key!r:.80}; found null")
            vectors = read.column(self.vector)
            known = vectors.is_valid().to_numpy(zero_copy_only=False)
            size, found = self._numbers(vectors.filter(pa.array(known)), first + np.flatnonzero(known), size)
            yield Batch(first, keys, known, found)
            first += len(keys)

    def check(self) -> tuple[int, int]:
        """Read every row: how many have a vector, and its size. Raises SemanticError, also for equal keys."""
        known, size, keys = 0, 0, []
        for batch in self.batches():
            keys.append(batch.keys)
            known += len(batch.vectors)
            size = batch.vectors.shape[1] or size
        counts = pc.value_counts(pa.chunked_array(keys))
        if len(counts) < self.rows:
            most = counts[int(np.argmax(counts.field("counts").to_numpy()))].as_py()
            raise SemanticError(
                f"{self.path}: expected each key of {self.key!r:.80} once; found {most['values']!r:.80} "
                f"{most['counts']} times. Keep one row of it"
            )
        if not known:
            raise SemanticError(f"{self.path}: expected vectors in {self.vector!r:.80}; found nulls only")
        return known, size

    def _read(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._file.iter_batches(_BATCH, columns=[self.key, self.vector])
        except (pa.ArrowException, OSError) as error:
            raise SemanticError(f"{self.path}: expected Parquet; found {' '.join(str(error).split()):.200}") from None

    def _numbers(self, lists: pa.Array, rows: np.ndarray, size: int) -> tuple[int, Tensor]:
        """The size of a vector and the vectors (n, size) of these rows; ``size``: of the rows before, 0 = none yet."""
        if not len(lists):
            return size, torch.zeros(0, size)
        lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        size = size or int(lengths[0])
        if (wrong := np.flatnonzero(lengths != size)).size:
            raise SemanticError(
                f"{self.path}, row {rows[wrong[0]]}: expected {size} numbers, as in the rows before; found "
                f"{lengths[wrong[0]]}"
            )
        if not 1 <= size <= MOST_SIZE:
            raise SemanticError(f"{self.path}, row {rows[0]}: expected 1 to {MOST_SIZE} numbers; found {size}")
        values = pc.list_flatten(lists).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        found = torch.from_numpy(np.array(values.reshape(-1, size), np.float64))  # nulls are NaN
        if not bool((fine := usable(found)).all()):
            row = int((~fine).nonzero()[0])
            number = found[row][~(found[row].abs() <= 1e15)][0].item()
            raise SemanticError(
                f"{self.path}, row {rows[row]}: expected finite numbers up to 1e15; found {number}. Leave the vector "
                "of that row null: it then has no codes"
            )
        return size, found.float()


def _is_vector(kind: pa.DataType) -> bool:
    listed = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return listed and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))
