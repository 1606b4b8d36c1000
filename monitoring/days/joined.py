"""Joined rows in their files: a column is read when it is needed, since a day's rows may not fit into memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


class JoinedRows:
    """The rows of Parquet files, in order, that a mask keeps; to be read like a table of Arrow, one column at a time.

    A column has the type that all files agree on; of a file without it its values are null. The files must stay.
    """

    def __init__(self, files: Sequence[Path], kept: np.ndarray | None = None) -> None:
        """``kept`` (rows of the files,) bool; None = all. Raises OSError."""
        self._files, self._kept = list(files), kept
        self.schema: pa.Schema = pa.unify_schemas(map(pq.read_schema, files), promote_options="permissive")
        every = sum(pq.read_metadata(file).num_rows for file in files)
        self.num_rows = every if kept is None else int(kept.sum())

    def __len__(self) -> int:
        return self.num_rows

    @property
    def column_names(self) -> list[str]:
        """The columns in order."""
        names: list[str] = self.schema.names
        return names

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        """A column of the kept rows. Raises KeyError."""
        kind, chunks = self.schema.field(name).type, []
        for file in self._files:
            with pq.ParquetFile(file) as content:
                if name in content.schema_arrow.names:
                    chunks += content.read(columns=[name])[name].cast(kind).chunks
                else:
                    chunks.append(pa.nulls(content.metadata.num_rows, kind))
        column = pa.chunked_array(chunks, kind)
        return column if self._kept is None else column.filter(pa.array(self._kept))

    def select(self, names: Sequence[str]) -> pa.Table:
        """These columns as a table."""
        return pa.table({name: self[name] for name in names})

    def filter(self, mask: Any) -> "JoinedRows":
        """The rows that a mask (rows,) of bool names, without nulls: an array of Arrow or numpy."""
        kept = np.asarray(mask, dtype=bool)
        if kept.all():
            return self
        if self._kept is not None:
            whole = np.zeros(len(self._kept), dtype=bool)
            whole[self._kept] = kept
            kept = whole
        return JoinedRows(self._files, kept)
