"""Raw files of a declared table: Parquet as it is, CSV as texts."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from feature_repo.sources.errors import SourceError
from models.parquet import ColumnNamesError, check_column_names
from models.spec.source import SourceTable

ENDINGS = (".parquet", ".csv", ".csv.gz", ".tsv", ".tsv.gz")
_NAMED = 12


def raw_files(data: Path | None, name: str, table: SourceTable) -> list[Path]:
    """The files of a table in the order of their names. Raises SourceError if a pattern finds none."""
    if data is None:
        raise SourceError(f"source.tables.{name}.files: expected a data folder (--data, DATA=folder); found none")
    found: dict[Path, None] = {}
    for pattern in table.patterns:
        files = sorted(_matching(data, pattern))
        if not files:
            here = sorted(path.name for path in data.glob("*") if not is_hidden(Path(path.name)))[:_NAMED]
            raise SourceError(
                f"source.tables.{name}.files: expected Parquet or CSV files at {pattern} in {data}; found none. There "
                f"{'are' if here else 'is'} {', '.join(here) or 'nothing'}"
            )
        for path in files:
            if not path.name.lower().endswith(ENDINGS):
                ending = "".join(path.suffixes[-2:]) or "no ending"
                raise SourceError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}; found {ending}")
        found |= dict.fromkeys(files)
    return list(found)


def _matching(data: Path, pattern: str) -> Iterator[Path]:
    """Files at a path, directly in a folder, or that match a pattern; hidden ones are skipped."""
    place = data / pattern
    if place.is_file():
        yield place
    elif place.is_dir():
        for path in place.glob("*"):
            if is_hidden(Path(path.name)):
                continue
            if path.is_dir():
                raise SourceError(
                    f"{path}: expected files directly in {place}; found a folder. Write {pattern}/**/*.parquet"
                )
            yield path
    else:
        try:
            found = (path for path in data.glob(pattern) if path.is_file())
            yield from (path for path in found if not is_hidden(path.relative_to(data)))
        except (ValueError, NotImplementedError) as error:
            raise SourceError(f"{pattern}: expected a pattern of files; found {error}") from None


def is_hidden(path: Path) -> bool:
    """Whether a file's name, or that of a folder on the (relative) path to it, begins with a dot or ``_``."""
    return any(part.startswith((".", "_")) and part != ".." for part in path.parts)


def is_text(path: Path) -> bool:
    """Whether a file's values are texts without a type."""
    return path.suffix.lower() != ".parquet"


def read_raw(path: Path, table: SourceTable) -> pa.Table:
    """All rows of a file. Raises SourceError."""
    try:
        if not is_text(path):
            check_column_names(path, pq.read_schema(path).names)
            return _without_halves(pq.read_table(path).replace_schema_metadata(None))
        found = read_texts(path, table)
        check_column_names(path, found.column_names)
        return found
    except ColumnNamesError as error:
        raise SourceError(str(error)) from None
    except (pa.ArrowException, OSError, UnicodeError) as error:
        kind = "CSV" if is_text(path) else "Parquet"
        raise SourceError(f"{path}: expected a {kind} file; found {' '.join(str(error).split())[:300]}") from None


def _without_halves(rows: pa.Table) -> pa.Table:
    """The rows with numbers of 16 bits, which DuckDB does not read, as numbers of 32: the same values."""
    for place, field in enumerate(rows.schema):
        listed = pa.types.is_list(field.type) or pa.types.is_large_list(field.type)
        listed = listed or pa.types.is_fixed_size_list(field.type)
        if pa.types.is_float16(field.type.value_type if listed else field.type):
            wider = pa.list_(pa.float32()) if listed else pa.float32()
            rows = rows.set_column(place, field.name, rows[place].cast(wider))
    return rows


def read_texts(path: Path, table: SourceTable, quoted_nulls: bool = True) -> pa.Table:
    """A CSV file, each column as texts; ``quoted_nulls``: whether a missing value may stand in quotes."""
    delimiter = "\t" if table.delimiter == "," and ".tsv" in path.name.lower() else table.delimiter
    parse = arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    with arrow_csv.open_csv(path, parse_options=parse) as reader:
        names = reader.schema.names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SourceError(f"{path}: expected each column once; found {repeated[0]!r} twice")
    options = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()),
        null_values=table.nulls,
        strings_can_be_null=True,
        quoted_strings_can_be_null=quoted_nulls,
    )
    return arrow_csv.read_csv(path, parse_options=parse, convert_options=options)
