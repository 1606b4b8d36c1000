"""Kinds of an event table's columns, and filters in them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.stream.columns import column_kinds, typed_filter
from feature_repo.stream.plan import Kind
from feature_repo.views.errors import DefinitionError, NotAppliedError
from models.spec.base import Value

KINDS: dict[str, tuple[pa.DataType, Kind]] = {
    "zoned": (pa.timestamp("us", tz="UTC"), "time"),
    "second": (pa.timestamp("s"), "time"),
    "flag": (pa.bool_(), "int"),
    "small": (pa.int8(), "int"),
    "large": (pa.int64(), "int"),
    "unsigned": (pa.uint32(), "int"),
    "half": (pa.float16(), "float"),
    "single": (pa.float32(), "float"),
    "double": (pa.float64(), "double"),
    "text": (pa.string(), "text"),
    "long": (pa.large_string(), "text"),
    "view": (pa.string_view(), "text"),
    "category": (pa.dictionary(pa.int32(), pa.string()), "text"),
    "grade": (pa.dictionary(pa.int32(), pa.int64()), "int"),
}


def _write(folder: Path, types: dict[str, pa.DataType]) -> None:
    pq.write_table(pa.schema(types.items()).empty_table(), folder / "rows.parquet")


def test_every_type_has_its_kind(tmp_path: Path) -> None:
    _write(tmp_path, {name: type_ for name, (type_, _) in KINDS.items()})
    assert column_kinds(str(tmp_path), "rows", list(KINDS)) == {name: kind for name, (_, kind) in KINDS.items()}
    assert column_kinds(str(tmp_path), "rows", ["text", "flag"]) == {"text": "text", "flag": "int"}


@pytest.mark.parametrize("type_", [pa.uint64(), pa.binary(), pa.date32(), pa.decimal128(5)])
def test_a_type_that_no_event_has_is_named(tmp_path: Path, type_: pa.DataType) -> None:
    _write(tmp_path, {"odd": type_})
    with pytest.raises(DefinitionError, match="column odd: expected numbers, texts or times; found ") as error:
        column_kinds(str(tmp_path), "rows", ["odd"])
    assert str(error.value).endswith(f"found {type_}")


def test_a_missing_table_and_a_missing_column_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotAppliedError, match=r"expected the event table rows; found no such file\. Ingest first"):
        column_kinds(str(tmp_path), "rows", ["a"])
    _write(tmp_path, {"a": pa.int64(), "b": pa.string()})
    with pytest.raises(DefinitionError, match=r"rows.parquet: expected column c; found a, b$"):
        column_kinds(str(tmp_path), "rows", ["a", "c"])


def test_a_filter_has_the_values_that_its_columns_can_hold() -> None:
    kinds: dict[str, Kind] = {"text": "text", "int": "int", "time": "time", "float": "float", "double": "double"}
    kept: dict[str, list[Value]] = {name: ["1", 1, 1.5, 0.1, True] for name in kinds}
    assert typed_filter(kept, kinds) == {
        "text": ["1"],
        "int": [1, 1],
        "time": [],
        "float": [1.0, 1.5, 0.10000000149011612, 1.0],
        "double": [1.0, 1.5, 0.1, 1.0],
    }
    assert typed_filter({}, kinds) == {}
