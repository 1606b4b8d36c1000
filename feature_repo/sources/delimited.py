"""Read CSV files with given column types, without inferring any from the rows."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from feature_repo.sources.errors import SourceError
from feature_repo.sources.files import read_once
from models.parquet import ColumnNamesError, check_column_names


def read_delimited(path: Path, types: Mapping[str, pa.DataType], layout: str) -> pa.Table:
    """Read the columns of ``types`` from a file: UTF-8, commas, a header, ``"`` as quote, empty for a missing value.

    Integers are written in digits and never missing. Other columns are skipped. Raises SourceError, which names the
    data set whose ``layout`` the file should have. A file that was read by an earlier ingest is not read again
    (``sources.files``).
    """
    form = ", ".join(f"{name} {kind}" for name, kind in types.items())
    return read_once(path, form, lambda: _read(path, types, layout))


def _read(path: Path, types: Mapping[str, pa.DataType], layout: str) -> pa.Table:
    header = _header(path, layout)
    missing = [column for column in types if column not in header]
    if missing:
        raise SourceError(f"{path}: expected the column {missing[0]}; found {', '.join(header)}")
    options = arrow_csv.ConvertOptions(
        column_types={name: pa.string() if pa.types.is_integer(kind) else kind for name, kind in types.items()},
        include_columns=list(types),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    try:
        table = arrow_csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path}: expected a CSV file of {layout}; found {' '.join(str(error).split())[:300]}"
        ) from None
    for place, (name, kind) in enumerate(types.items()):
        if pa.types.is_integer(kind):
            table = table.set_column(place, name, _integers(table[name], kind, f"{path}, column {name}"))
    return table


def _integers(column: pa.ChunkedArray, kind: pa.DataType, where: str) -> pa.ChunkedArray:
    """Parse text as integers: digits only, since Arrow would also accept 0x10."""
    good = pc.match_substring_regex(column, "^-?[0-9]+$").fill_null(False)
    row = pc.index(good, False).as_py()
    if row < 0:
        try:
            return column.cast(kind)
        except pa.ArrowInvalid as error:
            raise SourceError(f"{where}: expected whole numbers of {kind}; found {error}") from None
    raise SourceError(f"{where}: expected a whole number in every row; found {column[row].as_py()!r} in row {row + 1}")


def _header(path: Path, layout: str) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        check_column_names(path, header)
    except (OSError, UnicodeError, csv.Error) as error:
        raise SourceError(f"{path}: expected a CSV file of {layout}; found {error}") from None
    except ColumnNamesError as error:
        raise SourceError(str(error)) from None
    return header
