"""The files behind the pushed views: they always exist, so that the stock `feast materialize` finds them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from models.features import ITEM_VECTORS, MEMBER_VECTORS
from models.spec import Spec

PUSHED_AT = "as_of"
"""The time column of the pushed views: the moment that the vectors hold for."""

TIMESTAMP = pa.timestamp("us", tz="UTC")

VECTOR_COLUMNS: dict[str, dict[str, pa.DataType]] = {
    MEMBER_VECTORS: {
        "member_tokens": pa.list_(pa.float32()),
        "activity_tokens": pa.list_(pa.float32()),
        "activity_times": pa.list_(pa.int64()),
        "member_model_version": pa.string(),
    },
    ITEM_VECTORS: {"item_tokens": pa.list_(pa.float32()), "item_model_version": pa.string()},
}
"""The features of the pushed views and their Arrow types."""


def vector_key(spec: Spec, view: str) -> tuple[str, pa.DataType]:
    """The key column of a pushed view and its Arrow type."""
    column = spec.impressions.member if view == MEMBER_VECTORS else spec.impressions.item
    node = spec.nodes[column.node]
    return node.key, pa.int64() if node.key_type == "int" else pa.string()


def vector_schema(spec: Spec, view: str) -> pa.Schema:
    """The columns of a pushed view's file: key, moment, features."""
    return pa.schema([vector_key(spec, view), (PUSHED_AT, TIMESTAMP), *VECTOR_COLUMNS[view].items()])


def write_pushed(table: pa.Table, pushed: Path, view: str) -> None:
    """Replace a pushed view's file in one step."""
    pushed.mkdir(parents=True, exist_ok=True)
    partial = pushed / f".{view}.partial"
    pq.write_table(table, partial)
    partial.replace(pushed / f"{view}.parquet")


def prepare(spec: Spec, pushed: Path) -> None:
    """Write an empty file for each pushed view that has none, or one of other columns."""
    for view in VECTOR_COLUMNS:
        file, schema = pushed / f"{view}.parquet", vector_schema(spec, view)
        if not file.is_file() or not pq.read_schema(file).equals(schema):
            write_pushed(schema.empty_table(), pushed, view)
