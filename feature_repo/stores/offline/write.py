"""Writing Parquet: a new data set, further rows of a source, logged features. A reader sees old or new, never half."""

import shutil
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


def write_new(location: Location, table: Callable[[], pa.Table], overwrite: bool) -> None:
    """Write a table as a file (``*.parquet``) or as a folder of one file.

    Raises SavedDatasetLocationAlreadyExists, before the table is made, if something is there that must stay.
    """
    files, path = location.arrow()
    if not overwrite and files.get_file_info(path).type != arrow_fs.FileType.NotFound:
        raise SavedDatasetLocationAlreadyExists(location=location.path)
    as_file = path.endswith((".parquet", ".pq"))
    rows = table()
    with _replacing(location) as (files, place):
        if not as_file:
            files.create_dir(place, recursive=True)
        pq.write_table(rows, place if as_file else f"{place}/part-0.parquet", filesystem=files)


def append(location: Location, table: pa.Table) -> None:
    """Add rows after those that are there: to the end of a file, or as a further file of a folder.

    The rows take the column types of the file, or of the folder's first one. A file is rewritten row group by row
    group. Raises UnsupportedError if the location is a pattern.
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
    with pq.ParquetFile(path, filesystem=files) as before, _replacing(location) as (files, place):
        rows = _cast(table, before.schema_arrow, location.path)
        with pq.ParquetWriter(place, before.schema_arrow, filesystem=files) as writer:
            for group in range(before.num_row_groups):
                writer.write_table(before.read_row_group(group))
            writer.write_table(rows)


def log(location: Location, rows: pa.Table | Path, partition_by: list[str] | None) -> None:
    """Add logged features, a table or a folder of Parquet files, to the folder of a logging destination.

    With ``partition_by`` they go into folders ``column=value`` for other readers; the columns stay in the files.
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
    """A further file of a folder, or of a folder below it."""
    files, path = location.arrow()
    files.create_dir(f"{path}/{below}", recursive=True)
    place = "/".join(part for part in (location.path.rstrip("/"), below, f"{_later()}.parquet") if part)
    with _replacing(Location(place, location.remote)) as (files, draft):
        pq.write_table(table, draft, filesystem=files)


def _folder_name(value: object) -> str:
    return "__HIVE_DEFAULT_PARTITION__" if value is None else quote(str(value), safe="")


@contextmanager
def _replacing(location: Location) -> Iterator[tuple[arrow_fs.FileSystem, str]]:
    """A place beside the location that becomes the location at the end; a remote file is whole when it is closed."""
    files, path = location.arrow()
    if location.remote is not None:
        yield files, path
        return
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    fresh = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
    try:
        yield files, str(fresh)
        if final.is_dir():  # a folder cannot be renamed over another one
            aside = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
            final.rename(aside)
            fresh.rename(final)
            shutil.rmtree(aside)
        else:
            fresh.replace(final)
    finally:
        if fresh.is_dir():
            shutil.rmtree(fresh)
        else:
            fresh.unlink(missing_ok=True)


def _cast(table: pa.Table, schema: pa.Schema, path: str) -> pa.Table:
    try:
        return table.select(schema.names).cast(schema)
    except (KeyError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise RetrievalInputError(
            f"{path}: expected rows of the file's schema {schema.names}; found {table.schema} ({error}). Convert them"
        ) from error


def _later() -> str:
    """The name of a file that sorts after those written before it: its rows win ties."""
    return f"written-{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
