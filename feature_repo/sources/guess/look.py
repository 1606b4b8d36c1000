"""What is in a folder of tables: their columns, with types, distinct values and what their names suggest."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.sources.declared.convert import is_zoned
from feature_repo.sources.declared.engine import engine
from feature_repo.sources.declared.files import is_text, read_raw
from feature_repo.sources.declared.rows import looks_like
from feature_repo.sources.errors import SourceError
from feature_repo.sources.guess.files import delimiter_of, files_of_tables
from models.spec.source import SourceTable
from models.sql import identifier

MOST_ROWS = 1_000_000
"""Rows of a table that are looked at."""
_AS_WRITTEN = SourceTable(files="any", columns={"all": "all"})
_YEARS = (946_684_800, 2_524_608_000)
"""Seconds since 1970 from 2000 to 2050."""
_TIME_NAME = re.compile(
    r"(^|_)(ts|t|time|times|timestamp|date|datetime|day|at|on|when|since|created|updated|shown|"
    r"published|from|until)(_|$)|(time|date|stamp|[a-z]At|_ms|_us)$",
    re.IGNORECASE,
)
_UNSIGNED = ("UBIGINT", "HUGEINT", "UHUGEINT")
_KEY_NAME = re.compile(r"(^|[\W_])(?i:id|uid|uuid|guid|key|sku|asin|isbn)([\W_]|$)|[a-z](Id|ID|Key)$")


@dataclass(frozen=True)
class Looked:
    """A column: ``kind`` is whole, number, boolean, text, time, naive, epoch, vector, list or other."""

    name: str
    kind: str
    sql: str
    """Its type as DuckDB names it."""
    rows: int
    missing: int
    distinct: int
    values: tuple[Any, ...]
    """Some of its values; all of them where there are at most 40."""
    size: int = 0
    """Of a vector: its length."""
    unit: str = ""
    """Of numbers that are times: s, ms, us or ns."""
    format: str = ""
    """Of texts that are times in another format than ISO 8601."""
    words: float = 0.0
    """Of texts: how many words one has."""

    @property
    def key_name(self) -> bool:
        """Whether it is named like a key."""
        return bool(_KEY_NAME.search(self.name))

    @property
    def keyed(self) -> bool:
        """Whether its values may be keys."""
        most = 5 if self.key_name else 1.5  # words: a key may have spaces, but is no sentence
        return self.kind in ("whole", "text") and self.words < most and not self.binary

    @property
    def unique(self) -> bool:
        """Whether every row has another value."""
        return self.rows > 0 and self.missing == 0 and self.distinct == self.rows

    @property
    def timed(self) -> bool:
        """Whether it holds times."""
        return self.kind in ("time", "naive", "epoch")

    @property
    def binary(self) -> bool:
        """Whether it says yes or no."""
        return self.kind == "boolean" or (
            self.kind in ("whole", "number") and 0 < self.distinct <= 2 and set(self.values) <= {0, 1}
        )


@dataclass(frozen=True)
class Table:
    """A table of the folder."""

    name: str
    files: str
    """As the spec names them."""
    texts: bool
    columns: dict[str, Looked]
    rows: pa.Table
    delimiter: str = ","

    @property
    def times(self) -> list[Looked]:
        """The columns that hold times."""
        return [column for column in self.columns.values() if column.timed]

    def distinct(self, *columns: str) -> int:
        """How many different rows these columns have."""
        return int(self.rows.select(list(columns)).group_by(list(columns)).aggregate([]).num_rows)


def tables_in(folder: Path) -> list[Table]:
    """Look at every table of a folder: a file, or a folder of parts. Raises SourceError if there are none."""
    found = [_table(name, files, parts) for name, files, parts in files_of_tables(folder)]
    if not found:
        raise SourceError(f"{folder}: expected Parquet or CSV files, or folders of them; found none")
    return found


def _table(name: str, files: str, parts: list[Path]) -> Table:
    read: list[pa.Table] = []
    delimiter = delimiter_of(parts[0])
    for part in parts:
        read.append(read_raw(part, _AS_WRITTEN.model_copy(update={"delimiter": delimiter})))
        if sum(one.num_rows for one in read) >= MOST_ROWS:
            break
    try:
        rows = pa.concat_tables(read, promote_options="default").slice(0, MOST_ROWS)
    except pa.ArrowInvalid as error:
        raise SourceError(f"{files}: expected parts of one type; found {' '.join(str(error).split())[:200]}") from None
    texts = is_text(parts[0])
    named = filter(None, rows.column_names)  # no expression can read one without a name, such as pandas' index in a CSV
    columns = {column: _look(rows[column], column, texts) for column in named}
    return Table(name, files, texts, columns, rows, delimiter)


def _look(values: pa.ChunkedArray, name: str, texts: bool) -> Looked:
    sql = looks_like(values) if texts and len(values) else "VARCHAR"
    with engine("UTC") as connection:
        connection.register("handed", pa.table({"value": values}))
        if texts:
            cast = f"TRY_CAST(value AS {sql})"
        else:
            sql, cast = connection.execute("DESCRIBE handed").fetchall()[0][1], "value"
        if sql.endswith("]"):
            return _listed(name, sql, values)
        counted = f"SELECT count(*), count(value), count(DISTINCT value) FROM (SELECT {cast} AS value FROM handed)"
        rows, present, distinct = connection.execute(counted).fetchone() or (0, 0, 0)
        some = f"SELECT DISTINCT {cast} AS value FROM handed WHERE value IS NOT NULL ORDER BY ALL LIMIT 40"
        found = tuple(row[0] for row in connection.execute(some).fetchall())
        words = 0.0
        if sql == "VARCHAR":
            count = "SELECT avg(len(string_split(trim(value), ' '))) FROM handed WHERE value IS NOT NULL"
            words = (connection.execute(count).fetchone() or [0])[0] or 0.0
        if sql in ("DOUBLE", "FLOAT") and _KEY_NAME.search(name):  # a key that is null somewhere, as pandas stores it
            exact = f"SELECT bool_and({cast} = trunc({cast}) AND abs({cast}) < 9007199254740992) FROM handed"
            sql = "BIGINT" if (connection.execute(exact).fetchone() or [None])[0] else sql
        bounds = connection.execute(f"SELECT min({cast}), max({cast}) FROM handed").fetchone() if rows else None
    kind, unit = _kind(sql, name, bounds)
    if kind == "text" and texts and present and _is_list(values):
        return Looked(name, "vector", sql, rows, rows - present, distinct, found[:3], size=_is_list(values))
    if kind == "text" and _zoned(found):
        kind = "time"
    written = _format(found) if kind == "text" else ""
    kind = "naive" if written else kind
    return Looked(name, kind, sql, rows, rows - present, distinct, found, unit=unit, format=written, words=words)


def _kind(sql: str, name: str, bounds: Any) -> tuple[str, str]:
    """(kind, unit of times)."""
    if is_zoned(sql):
        return "time", ""
    if sql.startswith("TIMESTAMP") or sql == "DATE":
        return "naive", ""
    if sql == "BOOLEAN":
        return "boolean", ""
    beyond = sql in _UNSIGNED and bool(bounds) and bounds[1] is not None and bounds[1] >= 2**63
    if sql == "VARCHAR" or beyond:  # what no whole number of 64 bits holds is exact as text
        return "text", ""
    whole = sql.endswith("INT") or sql.endswith("INTEGER")
    number = whole or sql in ("DOUBLE", "FLOAT") or sql.startswith("DECIMAL")
    if number and bounds and bounds[0] is not None and _TIME_NAME.search(name):
        for unit, per in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)):
            if _YEARS[0] * per <= bounds[0] and bounds[1] <= _YEARS[1] * per:
                return "epoch", unit
    return ("whole" if whole else "number" if number else "other"), ""


def _zoned(values: tuple[Any, ...]) -> bool:
    """Whether texts are times with a zone."""
    zoned = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))")
    return bool(values) and all(zoned.fullmatch(str(value)) for value in values)


def _format(values: tuple[Any, ...]) -> str:
    """The format of texts such as 24.12.2026 17:30, which no other order of day and month has; "" for others."""
    for clock, form in (("", ""), (r" \d\d:\d\d", " %H:%M"), (r" \d\d:\d\d:\d\d", " %H:%M:%S")):
        if values and all(re.fullmatch(rf"\d\d?\.\d\d?\.\d{{4}}{clock}", str(value)) for value in values):
            return f"%d.%m.%Y{form}"
    return ""


def _listed(name: str, sql: str, values: pa.ChunkedArray) -> Looked:
    """A column of lists: a vector if they are numbers of one length."""
    rows, present = len(values), len(values) - values.null_count
    lengths = pc.unique(pc.list_value_length(values.drop_null())).to_pylist() if present else []
    numbers = re.match(r"(FLOAT|DOUBLE|DECIMAL)", sql) is not None
    size = lengths[0] if numbers and len(lengths) == 1 else 0
    return Looked(name, "vector" if size else "list", sql, rows, rows - present, present, (), size=size or 0)


def _is_list(values: pa.ChunkedArray) -> int:
    """The length of vectors that are written as texts, such as [0.5, 1]; 0 if they are none."""
    lengths = set()
    for value in values.drop_null().slice(0, 200).to_pylist():
        if not re.fullmatch(r"\[\s*-?[\d.eE+-]+(\s*,\s*-?[\d.eE+-]+)*\s*\]", value.strip()):
            return 0
        lengths.add(value.count(",") + 1)
    return lengths.pop() if len(lengths) == 1 else 0


def overlap(one: pa.ChunkedArray, other: pa.ChunkedArray) -> float:
    """The share of one column's distinct values that another has, as texts."""
    first, second = (pc.unique(values.drop_null()).cast(pa.string()) for values in (one, other))
    return float(pc.mean(pc.is_in(first, value_set=second)).as_py() or 0) if len(first) else 0.0


def words_of(name: str) -> str:
    """A name in snake case: endTime is end_Time."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W+", "_", name)


def raw_name(name: str) -> str:
    """A raw column as the whole of an expression."""
    plain = re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name.lower() not in ("true", "false", "null")
    return name if plain else identifier(name)


def quoted(name: str) -> str:
    """A raw column inside of an expression, where a word of SQL needs quotes."""
    return name if re.fullmatch(r"[A-Za-z]+(_[A-Za-z0-9]+)+", name, re.ASCII) else identifier(name)
