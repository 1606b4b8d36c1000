"""Parquet files in DuckDB SQL, without columns that DuckDB adds or infers from paths."""

import glob
from collections.abc import Iterable
from pathlib import Path

from models.sql import literal

ROW_NUMBER = "file_row_number"
"""DuckDB's name for a row's position in its file, from 0. Files must not have a column of that name."""


class ColumnNamesError(ValueError):
    """Raised for a file whose column names SQL cannot distinguish; the message names them and what to do."""


def parquet_source(path: Path, row_number: bool = False) -> str:
    """The file as a table expression: only its own columns, and ROW_NUMBER if ``row_number``.

    Folders named ``key=value`` add no columns, and brackets or stars in the path are not read as a pattern.
    """
    name = literal(glob.escape(str(Path(path).absolute())))
    options = f"hive_partitioning = false, union_by_name = false, filename = false, {ROW_NUMBER} = {row_number}"
    return f"read_parquet({name}, {options})"


def check_column_names(path: Path | str, names: Iterable[str]) -> None:
    """Raise ColumnNamesError for column names that differ only in case, or equal ROW_NUMBER."""
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() == ROW_NUMBER:
            raise ColumnNamesError(
                f"{path}: expected columns other than {ROW_NUMBER!r}, the position of a row in its file; found "
                f"{name!r}. Rename it"
            )
        if name.lower() in seen:
            raise ColumnNamesError(
                f"{path}: expected columns whose names differ in more than case; found {seen[name.lower()]!r} and "
                f"{name!r}, which are the same in SQL. Rename one of them"
            )
        seen[name.lower()] = name
