"""A Parquet file in DuckDB's SQL, with nothing in it that DuckDB adds or guesses."""

import glob
from collections.abc import Iterable
from pathlib import Path

from models.sql import literal

ROW_NUMBER = "file_row_number"
"""DuckDB's name for a row's place in its file, from 0. A file must have no column of that name."""


class ColumnNamesError(ValueError):
    """Raised for a file with columns that SQL cannot tell apart; the message says which, and what to do."""


def parquet_source(path: Path, row_number: bool = False) -> str:
    """The file as a table expression: its own columns alone, and ROW_NUMBER if it is asked for.

    Folders named ``key=value`` are no columns, and brackets or stars in the path are no pattern.
    """
    name = literal(glob.escape(str(Path(path).absolute())))
    options = f"hive_partitioning = false, union_by_name = false, filename = false, {ROW_NUMBER} = {row_number}"
    return f"read_parquet({name}, {options})"


def check_column_names(path: Path | str, names: Iterable[str]) -> None:
    """Refuse a table whose columns SQL would take for one another, or for ROW_NUMBER. Raises ColumnNamesError."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() == ROW_NUMBER:
            raise ColumnNamesError(
                f"{path}: expected columns other than {ROW_NUMBER!r}, the place of a row in its file; found {name!r}. "
                "Rename it"
            )
        if name.lower() in seen:
            raise ColumnNamesError(
                f"{path}: expected columns whose names differ in more than case; found {seen[name.lower()]!r} and "
                f"{name!r}, which SQL takes for one. Rename one of them"
            )
        seen[name.lower()] = name
