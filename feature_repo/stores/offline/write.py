"""Write Parquet atomically: a new data set, additional rows of a source, logged features."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as arrow_fs
import pyarrow.parquet as pq
from feast.errors import SavedDatasetLocationAlreadyExists

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline.location import Location
from feature_repo.stores.offline.parquet import read_schemas
from models.files import replaced_file, replaced_folder


def write_new(location: Location, table: Callable[[], pa.Table], overwrite: bool) -> None:
    """Write a table as a file (``*.parquet``) or as a folder with one file.

    Raises SavedDatasetLocationAlreadyExists, before the table is computed, if the location exists and ``overwrite`` is
    false.
    """
    files, path = location.arrow()
    if not overwrite and files.get_file_info(path).type != arrow_fs.FileType.NotFound:
        raise SavedDatasetLocationAlreadyExists(location=location.path)
    as_file = path.endswith((".parquet", ".pq"))
    rows = table()
    with _replaced(location, folder=not as_file) as (files, place):
        if not as_file:
            files.create_dir(place, recursive=True)
        pq.write_table(rows, place if as_file else f"{place}/part-0.parquet", filesystem=files)


def append(location: Location, table: pa.Table) -> None:
    """Append rows: to the end of a file, or as another file of a folder.

    The rows are cast to the column types of the file, or of the folder's first file. A file is rewritten row group by
    row group. Raises UnsupportedError if the location is a pattern, RetrievalInputError if the cast fails.
    """
    if location.pattern:
        raise UnsupportedError(
            f"{location.path}: expected a file or a folder to write to; found a pattern. Name the folder as the source"
        )
    files, path = location.arrow()
    if not location.one_file:
        first = next(iter(read_schemas(location).values()))
        _write_part(location, "", _cast(table, first, location.path))
        return
    with pq.ParquetFile(path, filesystem=files) as before, _replaced(location) as (files, place):
        rows = _cast(table, before.schema_arrow, location.path)
        with pq.ParquetWriter(place, before.schema_arrow, filesystem=files) as writer:
            for group in range(before.num_row_groups):
                writer.write_table(before.read_row_group(group))
            writer.write_table(rows)


def log(location: Location, rows: pa.Table | Path, partition_by: list[str] | None) -> None:
    """Append logged features, a table or a folder of Parquet files, to the folder of a logging destination.

    With ``partition_by`` they go into folders ``column=value``, as other readers expect; the files keep the columns.
    """
    table = pq.read_table(rows, partitioning=None) if isinstance(rows, Path) else rows
    if not partition_by:
        _write_part(location, "", table)
        return
    for values in table.group_by(partition_by, use_threads=False).aggregate([]).to_pylist():
        kept = pa.array([True] * table.num_rows)
        for column, value in values.items():
            same = pc.is_null(table[column]) if value is None else pc.equal(table[column], value).fill_null(False)
            kept = pc.and_(kept, same)
        folders = [f"{column}={_folder_name(value)}" for column, value in values.items()]
        _write_part(location, "/".join(folders), table.filter(kept))


def _write_part(location: Location, below: str, table: pa.Table) -> None:
    """Write another file into a folder, or into a folder below it."""
    files, path = location.arrow()
    files.create_dir(f"{path}/{below}", recursive=True)
    place = "/".join(part for part in (location.path.rstrip("/"), below, f"{_later()}.parquet") if part)
    with _replaced(Location(place, location.remote)) as (files, draft):
        pq.write_table(table, draft, filesystem=files)


def _folder_name(value: object) -> str:
    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(str(value), safe="")


@contextmanager
def _replaced(location: Location, folder: bool = False) -> Iterator[tuple[arrow_fs.FileSystem, str]]:
    """Yield a path that replaces the location at the end. On a remote file system it is the location itself.

    A remote file becomes visible when it is closed.
    """
    files, path = location.arrow()
    if location.remote is not None:
        yield files, path
    elif folder:
        with replaced_folder(Path(path)) as draft:
            yield files, str(draft)
    else:
        with replaced_file(Path(path)) as draft:
            yield files, str(draft)
            if Path(path).is_dir():  # a file cannot replace a folder
                Path(path).rename(draft.with_name(f"{draft.name}.previous"))


def _cast(table: pa.Table, schema: pa.Schema, path: str) -> pa.Table:
    try:
        return table.select(schema.names).cast(schema)
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RetrievalInputError(
            f"{path}: expected rows of the file's schema {schema.names}; found {table.schema} ({error}). Convert them"
        ) from error


def _later() -> str:
    """A file name that sorts after those of earlier files, so that its rows win ties."""
    return f"written-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
