"""Pushed views and their Parquet files, which always exist so that the stock ``feast materialize`` finds them.

The files lie at an address: a folder on this machine or in object storage.
"""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from feature_repo.views.times import TIMESTAMP
from models.features import ITEM_VECTORS, MEMBER_VECTORS, SLOTS, vector_view
from models.spec import Spec
from models.storage import exists, file_system, join, write_bytes

PUSHED_AT = "as_of"
"""Time column of the pushed views: the time up to which the vectors know events."""

VECTOR_COLUMNS: dict[str, dict[str, pa.DataType]] = {
    MEMBER_VECTORS: {
        "member_tokens": pa.list_(pa.float32()),
        "activity_tokens": pa.list_(pa.float32()),
        "activity_times": pa.list_(pa.int64()),
        "activity_edges": pa.list_(pa.string()),
        "activity_keys": pa.list_(pa.string()),
        "member_encoder": pa.string(),
    },
    ITEM_VECTORS: {
        "item_tokens": pa.list_(pa.float32()),
        "item_creator": pa.string(),
        "item_neighbours": pa.string(),
        "item_encoder": pa.string(),
    },
}
"""Features of the vector views and their types, the same in every slot. ``models.training.embed`` describes them."""


RECENT = "recent_activities"
"""View of a member's last activities, oldest first. Its event time is the time of the last one."""
EDGES, KEYS, TIMES = "recent_edges", "recent_keys", "recent_times"
"""Features of RECENT: edge names, target keys as text, times in microseconds UTC."""


def vector_key(spec: Spec, kind: str) -> tuple[str, pa.DataType]:
    """Key column of the views of a kind, and its Arrow type."""
    column = spec.impressions.member if kind == MEMBER_VECTORS else spec.impressions.item
    node = spec.nodes[column.node]
    return node.key, pa.int64() if node.key_type == "int" else pa.string()


def vector_schema(spec: Spec, kind: str) -> pa.Schema:
    """Schema of the files of a kind: key, time, features."""
    return pa.schema([vector_key(spec, kind), (PUSHED_AT, TIMESTAMP), *VECTOR_COLUMNS[kind].items()])


def recent_schema(spec: Spec) -> pa.Schema:
    """Schema of the file of last activities: key, time, features."""
    texts = pa.list_(pa.string())
    lists = [(EDGES, texts), (KEYS, texts), (TIMES, pa.list_(pa.int64()))]
    return pa.schema([vector_key(spec, MEMBER_VECTORS), (PUSHED_AT, TIMESTAMP), *lists])


def write_pushed(table: pa.Table, pushed: str, view: str) -> None:
    """Replace a pushed view's file at the address ``pushed``, whole or not at all."""
    write_bytes(pushed_file(pushed, view), packed(table))


def packed(table: pa.Table) -> bytes:
    """The content of a pushed view's file."""
    content = io.BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def pushed_file(pushed: str, view: str) -> str:
    """Address of a pushed view's file."""
    return join(pushed, f"{view}.parquet")


def folder_of(address: str) -> str:
    """Address of the folder that holds a file."""
    return address.rpartition("/")[0]


def prepare(spec: Spec, pushed: str) -> None:
    """Write an empty file for every pushed view whose file is missing or has another schema."""
    schemas = {vector_view(kind, slot): vector_schema(spec, kind) for kind in VECTOR_COLUMNS for slot in SLOTS}
    schemas[RECENT] = recent_schema(spec)
    for view, schema in schemas.items():
        file = pushed_file(pushed, view)
        if not exists(file) or not schema_at(file).equals(schema):
            write_pushed(schema.empty_table(), pushed, view)


def schema_at(address: str) -> pa.Schema:
    """Schema of the Parquet file at an address. Raises FileNotFoundError."""
    system, path = file_system(address)
    return pq.read_schema(path, filesystem=system)
