"""Read a folder that grows: one folder per table, with any number of Parquet files, such as one for each day."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.exact_frames import exact_frame
from feature_repo.sources.errors import SourceError
from feature_repo.sources.files import read_once
from feature_repo.sources.one_table import one_table


def read_parts(folder: Path, tables: Mapping[str, Sequence[str]]) -> dict[str, pd.DataFrame]:
    """Every table of ``tables`` from the files ``<table>/*.parquet``, in the order of their names.

    Each file has exactly the table's columns, in any order, and every file of a table has the same types; a column
    without a value may have none. Names that begin with a dot or ``_`` are skipped. A file that
    was read by an earlier ingest is not read again (``sources.files``). Raises SourceError.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder}: expected a folder with one folder per table; found none")
    return {name: exact_frame(_read(folder / name, columns)) for name, columns in tables.items()}


def _read(folder: Path, columns: Sequence[str]) -> pa.Table:
    found = [path for path in sorted(folder.glob("*")) if not path.name.startswith((".", "_"))]
    files = [path for path in found if path.suffix == ".parquet" and path.is_file()]
    others = [path for path in found if path not in files]
    if others:
        raise SourceError(f"{others[0]}: expected Parquet files directly in {folder}; found another file or folder")
    if not files:
        raise SourceError(f"{folder}: expected Parquet files with {', '.join(columns)}; found none")
    parts = [read_once(file, ",".join(columns), lambda file=file: _part(file, columns)) for file in files]  # type: ignore[misc]
    return one_table(parts, list(map(str, files)), "Write every file with one type")


def _part(file: Path, columns: Sequence[str]) -> pa.Table:
    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{file}: expected a Parquet file; found {' '.join(str(error).split())[:300]}") from None
    if sorted(table.column_names) != sorted(columns):
        raise SourceError(f"{file}: expected the columns {', '.join(columns)}; found {', '.join(table.column_names)}")
    return table.select(list(columns)).replace_schema_metadata(None)
