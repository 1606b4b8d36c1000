"""The files behind the pushed views: they always exist, so that the stock `feast materialize` finds them."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
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
"""The features of the pushed views and their Arrow types; ``models.training.embed`` says what they hold."""


RECENT = "recent_activities"
"""The view of a member's last activities, oldest first; its time is that of the last one."""
EDGES, KEYS, TIMES = "recent_edges", "recent_keys", "recent_times"
"""Its features: names of edges, keys of targets as text, microseconds UTC."""


def vector_key(spec: Spec, view: str) -> tuple[str, pa.DataType]:
    """The key column of a pushed view and its Arrow type."""
    column = spec.impressions.member if view == MEMBER_VECTORS else spec.impressions.item
    node = spec.nodes[column.node]
    return node.key, pa.int64() if node.key_type == "int" else pa.string()


def vector_schema(spec: Spec, view: str) -> pa.Schema:
    """The columns of a pushed view's file: key, moment, features."""
    return pa.schema([vector_key(spec, view), (PUSHED_AT, TIMESTAMP), *VECTOR_COLUMNS[view].items()])


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


def previous_file(pushed: Path, view: str) -> Path:
    """Where a view's vectors are kept that a push replaced, until a deployment has settled it."""
    return pushed / f"{view}.previous.parquet"


def versions_of(file: Path, view: str) -> set[str]:
    """The model versions that a pushed view's file holds vectors of; none for no file, or one without rows."""
    if not file.is_file():
        return set()
    (name,) = (name for name in VECTOR_COLUMNS[view] if name.endswith("_model_version"))
    return set(pc.unique(pq.read_table(file, columns=[name])[name]).to_pylist())


def keep_previous(pushed: Path, view: str, version: str) -> None:
    """Keep a copy of the view's file, whole or not at all, before vectors of ``version`` replace it.

    A repeated push keeps nothing, and what is kept since an earlier push that no deployment settled stays: what the
    endpoint serves is still that. Only a push of the kept version itself makes it obsolete.
    """
    file, previous = pushed / f"{view}.parquet", previous_file(pushed, view)
    if versions_of(previous, view) == {version}:
        previous.unlink()
    elif not previous.is_file() and versions_of(file, view) - {version}:
        partial = pushed / f".{view}.previous.partial"
        shutil.copyfile(file, partial)
        partial.replace(previous)


def prepare(spec: Spec, pushed: Path) -> None:
    """Write an empty file for each pushed view that has none, or one of other columns."""
    schemas = {view: vector_schema(spec, view) for view in VECTOR_COLUMNS} | {RECENT: recent_schema(spec)}
    for view, schema in schemas.items():
        file = pushed / f"{view}.parquet"
        if not file.is_file() or not pq.read_schema(file).equals(schema):
            write_pushed(schema.empty_table(), pushed, view)
