"""Parquet files, and JSON lines, in DuckDB SQL, without columns that DuckDB adds or infers from paths."""

import glob
from collections.abc import Iterable, Mapping
from pathlib import Path

from models.sql import identifier, literal

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


def parquet_files_source(files: Iterable[str]) -> str:
    """Files as one table expression, as ``parquet_source``; a column that one of them lacks is null there."""
    return f"read_parquet({_names(files)}, union_by_name = true, hive_partitioning = false, filename = false)"


def json_lines_source(files: Iterable[str], columns: Mapping[str, str]) -> str:
    """Files of JSON lines as one table expression with these columns (name -> DuckDB type).

    A value of another type is null; a line that is not JSON is a row of nulls.
    """
    fields = ", ".join(f"{identifier(name)}: {literal(kind)}" for name, kind in columns.items())
    return (
        f"read_json({_names(files)}, format = 'newline_delimited', ignore_errors = true, hive_partitioning = false, "
        f"compression = 'none', columns = {{{fields}}})"
    )


def _names(files: Iterable[str]) -> str:
    """A list of files, in whose names brackets and stars are no pattern."""
    return f"[{', '.join(literal(glob.escape(file)) for file in files)}]"


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
