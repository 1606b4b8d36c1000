"""The files behind the pushed views: they always exist, so that the stock `feast materialize` finds them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.features import ITEM_VECTORS, MEMBER_VECTORS, SLOTS, vector_view
from models.spec import Spec

PUSHED_AT = "as_of"
"""The time column of the pushed views: the moment that the vectors hold for."""

TIMESTAMP = pa.timestamp("us", tz="UTC")

VECTOR_COLUMNS: dict[str, dict[str, pa.DataType]] = {
    MEMBER_VECTORS: {
        "member_tokens": pa.list_(pa.float32()),
        "activity_tokens": pa.list_(pa.float32()),
        "activity_times": pa.list_(pa.int64()),
        "activity_edges": pa.list_(pa.string()),
        "activity_keys": pa.list_(pa.string()),
        "member_model_version": pa.string(),
    },
    ITEM_VECTORS: {
        "item_tokens": pa.list_(pa.float32()),
        "item_creator": pa.string(),
        "item_neighbours": pa.string(),
        "item_model_version": pa.string(),
    },
}
"""The features of the pushed views, the same in every slot, and their types; ``models.training.embed`` says what they
hold."""


RECENT = "recent_activities"
"""The view of a member's last activities, oldest first; its time is that of the last one."""
EDGES, KEYS, TIMES = "recent_edges", "recent_keys", "recent_times"
"""Its features: names of edges, keys of targets as text, microseconds UTC."""


def vector_key(spec: Spec, kind: str) -> tuple[str, pa.DataType]:
    """The key column of a kind's views and its Arrow type."""
    column = spec.impressions.member if kind == MEMBER_VECTORS else spec.impressions.item
    node = spec.nodes[column.node]
    return node.key, pa.int64() if node.key_type == "int" else pa.string()


def vector_schema(spec: Spec, kind: str) -> pa.Schema:
    """The columns of the files of a kind's views: key, moment, features."""
    return pa.schema([vector_key(spec, kind), (PUSHED_AT, TIMESTAMP), *VECTOR_COLUMNS[kind].items()])


def recent_schema(spec: Spec) -> pa.Schema:
    """The columns of the last activities' file: key, moment, features."""
    texts = pa.list_(pa.string())
    lists = [(EDGES, texts), (KEYS, texts), (TIMES, pa.list_(pa.int64()))]
    return pa.schema([vector_key(spec, MEMBER_VECTORS), (PUSHED_AT, TIMESTAMP), *lists])


def write_pushed(table: pa.Table, pushed: Path, view: str) -> None:
    """Replace a pushed view's file in one step."""
    pushed.mkdir(parents=True, exist_ok=True)
    partial = pushed / f".{view}.partial"
    pq.write_table(table, partial)
    partial.replace(pushed / f"{view}.parquet")


def vectors_file(pushed: Path, kind: str, slot: str) -> Path:
    """The file of a slot's members or items."""
    return pushed / f"{vector_view(kind, slot)}.parquet"


def version_in(pushed: Path, slot: str) -> str | None:
    """The model version whose vectors a slot holds; None where it holds none, or is half-way from one to another."""
    found: set[str] = set()
    for kind, columns in VECTOR_COLUMNS.items():
        file = vectors_file(pushed, kind, slot)
        if not file.is_file():
            return None
        (name,) = (name for name in columns if name.endswith("_model_version"))
        found |= set(pc.unique(pq.read_table(file, columns=[name])[name]).to_pylist() or [None])
    return found.pop() if len(found) == 1 else None


def prepare(spec: Spec, pushed: Path) -> None:
    """Write an empty file for each pushed view that has none, or one of other columns."""
    schemas = {vector_view(kind, slot): vector_schema(spec, kind) for kind in VECTOR_COLUMNS for slot in SLOTS}
    schemas[RECENT] = recent_schema(spec)
    for view, schema in schemas.items():
        file = pushed / f"{view}.parquet"
        if not file.is_file() or not pq.read_schema(file).equals(schema):
            write_pushed(schema.empty_table(), pushed, view)
