"""Canonical tables on disk: one Parquet file per table, and a manifest with their digests."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.exact_frames import exact_frame
from feature_repo.sources.errors import TableError
from models.clock import bound, latest
from models.files import sha256_of_file

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
"""Folder of quarantined rows, next to the tables."""


def write_table(folder: Path, name: str, frame: pd.DataFrame, types: dict[str, pa.DataType]) -> dict[str, Any]:
    """Write one table; return its manifest entry: rows, columns (name -> type), sha256. Raises TableError."""
    table = arrow_table(name, frame, types)
    pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    return describe(folder, name, table.schema)


def arrow_table(name: str, frame: pd.DataFrame, types: dict[str, pa.DataType]) -> pa.Table:
    """A table as it is written. Raises TableError for a column of several types."""
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        found = " ".join(map(str, error.args))
        raise TableError(f"table {name}: expected columns of one type each; found {found}. Fix the adapter") from None
    schema = pa.schema(
        [
            (field.name, types.get(field.name, pa.string() if field.type == pa.null() else field.type))
            for field in table.schema
        ]
    )
    # An empty object column has no type to cast from.
    return table.cast(schema) if len(frame) else schema.empty_table()


def write_quarantine(folder: Path, name: str, frame: pd.DataFrame) -> str:
    """Write the quarantined rows of a table with their reasons; return the file's path within ``folder``."""
    path = folder / QUARANTINE / f"{name}.parquet"
    path.parent.mkdir(exist_ok=True)
    kept = frame.copy()
    for column in frame.columns:
        if frame[column].dtype == object:  # values of any type
            kept[column] = frame[column].astype(str)
    kept.to_parquet(path, index=False)
    return str(path.relative_to(folder))


def describe(folder: Path, name: str, schema: pa.Schema) -> dict[str, Any]:
    """Manifest entry of a written table: rows, columns (name -> type), sha256."""
    path = folder / f"{name}.parquet"
    return {
        "rows": pq.read_metadata(path).num_rows,
        "columns": {field.name: str(field.type) for field in schema},
        "sha256": sha256_of_file(path),
    }


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest, after all tables."""
    text = json.dumps(manifest, indent=2, sort_keys=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the manifest of a folder of canonical tables. Raises TableError if it is missing or unreadable."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise TableError(f"{path}: expected the manifest of ingested tables; found no such file. Run the ingest step")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TableError(f"{path}: expected JSON; found {error}. Run the ingest step again") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("tables"), dict):
        raise TableError(f"{path}: expected a manifest with 'tables'; found something else. Run the ingest step again")
    return manifest


def end_of_data(folder: Path) -> int:
    """The time just after the last row of all tables, in microseconds UTC.

    Raises TableError if there is none, or if it is ahead of the clock: everything stamped with it would stay invisible.
    """
    last = read_manifest(folder)["last"]
    if last is None:
        raise TableError(f"{folder}: expected at least one dated row; found none")
    end = int(pd.Timestamp(last).as_unit("us").asm8.astype("int64"))  # Timestamp.value is in nanoseconds
    if end > latest():
        raise TableError(
            f"{folder}: expected the end of the data as {bound()}; found {last}. Run the ingest step again: it "
            "quarantines rows ahead of the clock"
        )
    return end + 1


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read one canonical table and check its digest. Times are ``datetime64[us, UTC]``.

    Integers with nulls are ``Int64``. Raises TableError.
    """
    tables = read_manifest(folder)["tables"]
    if name not in tables:
        raise TableError(f"{folder}: expected one of the tables {', '.join(sorted(tables))}; found {name!r}")
    path = Path(folder) / f"{name}.parquet"
    if not path.is_file():
        raise TableError(f"{path}: expected the file that the manifest lists; found none. Run the ingest step again")
    found = sha256_of_file(path)
    if found != tables[name]["sha256"]:
        raise TableError(
            f"{path}: expected sha256 {tables[name]['sha256'][:12]}... as in the manifest; found {found[:12]}... "
            "The file is damaged or from another run. Run the ingest step again"
        )
    return exact_frame(pq.read_table(path))
