"""Where the canonical tables come from: an adapter, or files and queries that the spec itself describes."""

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from models.spec.base import Allowed, Name, StrictModel, Value, check_unique_values, display
from models.spec.zones import Zone

SqlType = Literal["BIGINT", "DOUBLE", "BOOLEAN", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "DOUBLE[]", "VARCHAR[]"]
Unit = Literal["s", "ms", "us", "ns"]
ADDRESSES = ("postgresql://", "postgres://", "service=")
"""How the address of a database begins."""
_VARIABLE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")


def _check_inside(path: str) -> str:
    if not path or path.startswith(("/", "~")) or ".." in path.replace("\\", "/").split("/"):
        raise ValueError(f"expected a path inside the data folder, such as clicks.csv; found {display(path)}")
    return path


def _check_database(value: str) -> str:
    """A password must not lie in a spec, which every version of the model carries."""
    if _VARIABLE.fullmatch(value):
        return value
    secret = "password" in value.lower() or (value.startswith("postgres") and urlsplit(value).password is not None)
    if secret or not value.startswith(ADDRESSES):
        found = "an address with a password" if secret else display(value)
        raise ValueError(
            f"expected env:NAME of an environment variable with the address, postgresql://host/database or "
            f"service=NAME, without a password; found {found}"
        )
    return value


File = Annotated[str, AfterValidator(_check_inside), Allowed("inside the data folder")]
Database = Annotated[str, AfterValidator(_check_database), Allowed("without a password")]


class Times(StrictModel):
    """How the values of a time column are read. Texts in ISO 8601 and times with a zone need nothing."""

    unit: Unit | None = Field(
        default=None,
        description="Unit of numbers, counted from 1970 in UTC. None = they are no numbers.",
        examples=["ms"],
    )
    timezone: Zone | None = Field(
        default=None,
        description="Zone of times that name none. Of a time that daylight saving repeats, the second is taken. None = "
        "such a time is an error.",
        examples=["Europe/Berlin"],
    )
    format: str | None = Field(
        default=None,
        description="Format of texts, as in strptime. None = ISO 8601, such as 2026-05-01 10:00:00.",
        examples=["%d.%m.%Y %H:%M"],
    )


class AsOf(StrictModel):
    """A column of another table as it was strictly before the row's time."""

    table: Name = Field(description="Another of the source's tables, or the same one.", examples=["prices"])
    column: Name = Field(description="Its column, out of its `columns`.", examples=["price"])
    key: Name | list[Name] = Field(
        description="Columns that are equal in both rows. They have the same names in both tables.",
        examples=["item_id"],
    )
    time: Name = Field(
        description="Its time column: from then on the row is known. Of the rows before `at` the newest counts; of two "
        "at the same time the one that is greater in the order of its columns.",
        examples=["valid_from"],
    )
    at: Name = Field(
        default="time", description="Time column of this table. Only rows strictly before it count.", examples=["shown"]
    )

    @property
    def keys(self) -> list[str]:
        """The key columns."""
        return [self.key] if isinstance(self.key, str) else self.key


class Once(StrictModel):
    """Of several rows with the same key one is kept."""

    key: list[Name] = Field(min_length=1, description="Columns of the key.", examples=[["impression_id"]])
    last: Name = Field(
        description="The row with the greatest value here is kept; of equal ones the one that is greater in the order "
        "of its columns.",
        examples=["settled_time"],
    )


class SourceTable(StrictModel):
    """A canonical table, read from files or from a query, one row after the other.

    Expressions are those of DuckDB over the columns of one row. Aggregates, windows, subqueries, random values and the
    time of the day are errors: they look into the future, or differ from run to run.
    """

    files: File | list[File] | None = Field(
        default=None,
        description="Parquet or CSV files (also .csv.gz) in the data folder: a file, a folder of them, a pattern such "
        "as `log_*.csv`, or a list of these.",
        examples=["impressions.csv"],
    )
    query: str | None = Field(
        default=None,
        description="Instead of files: a query that `database` answers, read-only.",
        examples=["SELECT * FROM impressions"],
    )
    columns: dict[Name, str] = Field(
        min_length=1,
        description="Columns of the table: column -> a raw column, or an expression over the raw columns of the row. A "
        "raw column whose name is no name of SQL is written in double quotes.",
        examples=[{"impression_id": "id", "clicked": "event = 'click'"}],
    )
    types: dict[str, SqlType] = Field(
        default={},
        description="Types of raw columns: raw column -> type. A CSV file has none, so a column of it that an "
        "expression reads needs one, but for casts, tests for null and comparisons with texts. "
        "A plain raw column needs none: it is read as the spec uses it.",
        examples=[{"play_ms": "BIGINT"}],
    )
    times: dict[Name, Times] = Field(
        default={},
        description="How time columns are read: column out of `columns` -> unit, zone or format.",
        examples=[{"time": {"unit": "ms"}}],
    )
    where: str | None = Field(
        default=None,
        description="Expression over the raw columns: rows for which it is not true are left out, and counted.",
        examples=["is_bot = 0"],
    )
    explode: Name | None = Field(
        default=None,
        description="Column out of `columns` that holds lists: one row for each of its values; none for an empty list, "
        "nor for an empty text in it.",
        examples=["tag"],
    )
    once: Once | None = Field(
        default=None,
        description="Which of several rows with one key is kept. None = all rows; of identical ones ingest keeps one.",
        examples=[{"key": ["impression_id"], "last": "settled_time"}],
    )
    asof: dict[Name, AsOf] = Field(
        default={},
        description="Further columns: from other tables, as of the row's time.",
        examples=[{"price": {"table": "prices", "column": "price", "key": "item_id", "time": "valid_from"}}],
    )
    derived: dict[Name, str] = Field(
        default={},
        description="Further columns: expressions over the row's `columns` and `asof`.",
        examples=[{"price_log": "ln(1 + price)"}],
    )
    delimiter: str = Field(
        default=",", pattern=r"^[^\n\r\"]$", description="What separates the values of a CSV file.", examples=[";"]
    )
    nulls: list[str] = Field(
        default=[""],
        description="Texts of a CSV file that mean a missing value.",
        examples=[["", "NULL", "N/A"]],
    )

    @property
    def names(self) -> tuple[str, ...]:
        """All columns of the table."""
        return (*self.columns, *self.asof, *self.derived)

    @property
    def patterns(self) -> list[str]:
        """The files, as a list."""
        return [self.files] if isinstance(self.files, str) else list(self.files or [])

    @field_validator("nulls")
    @classmethod
    def _check_unique(cls, value: list[str]) -> list[str]:
        return check_unique_values(value)

    @model_validator(mode="after")
    def _check(self) -> "SourceTable":
        if (not self.patterns) == (self.query is None):
            raise ValueError(f"expected files or query; found {'both' if self.query else 'none of them'}")
        owners: dict[str, str] = {}
        for group in ("columns", "asof", "derived"):
            for name in getattr(self, group):
                if other := owners.get(name.lower()):
                    raise ValueError(
                        f"{group}.{name}: expected names that differ in more than case; found it in {other} as well"
                    )
                owners[name.lower()] = f"{group}.{name}"
        named = {"times": list(self.times), "explode": [self.explode] if self.explode else []}
        named["once"] = [*self.once.key, self.once.last] if self.once else []
        for group, names in named.items():
            for name in names:
                if name not in self.columns:
                    raise ValueError(
                        f"{group}: expected one of columns ({', '.join(self.columns)}); found {display(name)}"
                    )
        return self


class Source(StrictModel):
    """Where the canonical tables come from: `tables` of this page, or an adapter in Python and its options."""

    adapter: str = Field(
        description="`tables`, with the tables below, or a module that reads the raw data: of `feature_repo/sources`, "
        "or any other by its dotted name, such as `mypackage.module`."
    )
    options: dict[str, Value] = Field(
        default={}, description="Options of the adapter, whose docstring lists them with their units."
    )
    database: Database | None = Field(
        default=None,
        description="PostgreSQL that answers the queries of `tables`: `env:NAME` of an environment variable with the "
        "address, `postgresql://...` or `service=NAME`. The password comes from that variable, PGPASSWORD or a "
        "password file.",
        examples=["env:WAREHOUSE"],
    )
    tables: dict[Name, SourceTable] = Field(
        default={},
        description="For the adapter `tables`: the canonical tables by name.",
        examples=[{"impressions": {"files": "impressions.csv", "columns": {"time": "ts"}}}],
    )
