"""Keys of entity rows against the files' types, without Spark: only schemas are read."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast import FileSource
from feast.data_format import DeltaFormat
from pyspark.sql.types import (
    DataType,
    DecimalType,
    DoubleType,
    LongType,
    StringType,
    StructField,
    StructType,
)

from feature_repo.stores.errors import RetrievalInputError, UnsupportedError
from feature_repo.stores.offline.spark_source import (
    ParquetSource,
    _quoted,
    address,
    check_keys,
    source_on_spark,
    view_on_spark,
)

CONFIG: Any = SimpleNamespace(repo_path=None)


def rows(kinds: dict[str, DataType], values: dict[str, list[Any]] | None = None) -> Any:
    """A stand-in for a Spark frame."""
    schema = StructType([StructField(name, kind) for name, kind in kinds.items()])

    def select(name: str) -> Any:
        assert values is None or name in values
        return rows({name: kinds[name]}, values)

    def to_arrow() -> pa.Table:
        assert values is not None
        return pa.table({name: pa.chunked_array([values[name]]) for name in kinds})

    return SimpleNamespace(schema=schema, columns=list(kinds), select=select, toArrow=to_arrow)


def session(files: dict[str, DataType], query: Any = None) -> Any:
    """A stand-in for a session whose files have these columns, and whose only query has these rows."""
    reader = SimpleNamespace(parquet=lambda path: rows(files))
    reader.option = lambda name, value: reader
    return SimpleNamespace(read=reader, sql=lambda statement: query)


def view(*keys: str, **mapping: str) -> Any:
    source = source_on_spark(
        FileSource(name="s", path="/x.parquet", timestamp_field="at", field_mapping=mapping), CONFIG
    )
    columns = [SimpleNamespace(name=key) for key in ("__dummy_id", *keys)]
    projection = SimpleNamespace(join_key_map={"mapped": "other"})
    return SimpleNamespace(name="v", batch_source=source, entity_columns=columns, projection=projection)


TWO: dict[str, DataType] = {"a": DecimalType(20, 0), "b": StringType(), "c": LongType()}


@pytest.mark.parametrize(
    ("keys", "frame"),
    [
        (("a", "b"), {"a": [1, 2], "b": ["x", "y"]}),
        (("c",), {"c": [1.0, float(2**53 - 1)]}),
        (("gone", "b"), {"b": ["x"]}),
        (("a", "b"), {"b": ["x"]}),
        ((), {"b": [1]}),
        (("mapped",), {"mapped": ["x"], "other": [1]}),
    ],
)
def test_keys_that_compare_are_taken(keys: tuple[str, ...], frame: dict[str, Any]) -> None:
    check_keys(session(TWO), view(*keys, c="mapped"), pd.DataFrame(frame))


@pytest.mark.parametrize(
    ("keys", "frame"),
    [
        (("c",), {"c": [float(2**53)]}),
        (("c",), {"c": ["1"]}),
        (("b",), {"b": [1]}),
        (("gone", "b"), {"b": [1]}),
        (("c", "b"), {"b": [1]}),
        (("a", "b"), {"a": [1], "b": [1]}),
        (("a",), {"a": [Decimal("1.5")]}),
        (("a",), {"a": ["1"]}),
        (("mapped",), {"mapped": [1], "other": ["x"]}),
    ],
)
def test_keys_that_do_not_compare_are_refused(keys: tuple[str, ...], frame: dict[str, Any]) -> None:
    with pytest.raises(RetrievalInputError, match=r"^view v, key \w+: expected keys that .* \(in file:///x\.parquet\)"):
        check_keys(session(TWO), view(*keys, c="mapped"), pd.DataFrame(frame))


def test_decimals_with_digits_are_no_whole_numbers() -> None:
    frame = pd.DataFrame({"a": [1]})
    for scale in (1, 2):
        with pytest.raises(RetrievalInputError, match=r"^view v, key a: expected keys that decimal"):
            check_keys(session({"a": DecimalType(20, scale)}), view("a"), frame)
    with pytest.raises(RetrievalInputError, match=r"^entity_df: expected one type in column a; found "):
        check_keys(session(TWO), view("a"), pd.DataFrame({"a": [1, "x"]}))


@pytest.mark.parametrize("as_text", [True, False])
def test_a_query_is_read_only_for_floats(as_text: bool) -> None:
    def check(key: str, query: Any) -> None:
        check_keys(session(TWO, query), view(key), "SELECT" if as_text else query)

    check("c", rows({"c": LongType(), "more": StringType()}))
    check("c", rows({"more": StringType()}))
    check("c", rows({"more": StringType(), "c": DoubleType()}, {"more": ["x"], "c": [7.0]}))
    with pytest.raises(RetrievalInputError, match=r"^view v, key c: expected keys that int64"):
        check("c", rows({"more": LongType(), "c": StringType()}))
    with pytest.raises(RetrievalInputError, match=r"^view v, key c: expected keys that int64"):
        check("c", rows({"more": StringType(), "c": DoubleType()}, {"more": ["x"], "c": [float(2**53)]}))


def test_sources_are_converted_for_spark(tmp_path: Path) -> None:
    source = FileSource(
        name="s",
        path=str(tmp_path / "x"),
        timestamp_field="t",
        created_timestamp_column="c",
        field_mapping={"k": "key"},
    )
    found = source_on_spark(source, CONFIG, ["k"])
    assert isinstance(found, ParquetSource)
    assert (found.path, found.keys) == (f"file://{tmp_path}/x", ["k"])
    assert (found.timestamp_field, found.created_timestamp_column) == ("t", "c")
    assert found.field_mapping == {"k": "key"}
    assert source_on_spark(found, CONFIG) is found
    delta = FileSource(name="d", path="x", file_format=DeltaFormat(), timestamp_field="t")
    with pytest.raises(UnsupportedError, match=r"^source d: expected Parquet; found .* Use a SparkSource$"):
        source_on_spark(delta, CONFIG)
    one = view("key")
    one.batch_source = source
    converted: Any = view_on_spark(one, CONFIG)
    assert (converted.batch_source.keys, one.batch_source) == (["k"], source)
    one.batch_source = None
    assert view_on_spark(one, CONFIG).batch_source is None
    check_keys(None, one, None)


def test_names_and_addresses(tmp_path: Path) -> None:
    assert (_quoted("member"), _quoted("a b"), _quoted("a`b")) == ("member", "`a b`", "`a``b`")
    assert address("s3://bucket/s3://x") == "s3a://bucket/s3://x"
    assert address(str(tmp_path)) == f"file://{tmp_path}"
