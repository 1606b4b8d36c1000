"""Keys of packed rows: project, view, then the values of the join keys in the order of their names.

One value is a letter for its type (s, b, i) and its bytes: UTF-8, raw, or an int64 little-endian. Where a view has
several keys, a string or bytes has its length (uint32, little-endian) before it, so that no two rows share a key. A
timestamp is an int64 of microseconds. Scripts build keys by joining these parts.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.stores.errors import RowInputError
from feature_repo.stores.online.arrow import column_of, cut
from feature_repo.stores.online.layout import Key, Layout

_END = b"\0"


def view_prefix(project: str, view: str) -> bytes:
    """What the keys of all of a view's rows begin with; the whole key of a view without entities."""
    for name in (project, view):
        if "\0" in name:
            raise RowInputError(f"name {name!r}: expected one without a zero character; found one. Rename it")
    return project.encode() + _END + view.encode() + _END


def row_key(project: str, view: str, values: Sequence[int | str | bytes]) -> bytes:
    """The key of one row; ``values`` in the order of the join keys' names, none for a view without entities."""
    several = len(values) > 1
    return view_prefix(project, view) + b"".join([key_part(value, several) for value in values])


def key_part(value: int | str | bytes, several: bool) -> bytes:
    """One value's part of a key; ``several``: the view has more than one join key."""
    if isinstance(value, str | bytes):
        content = value.encode() if isinstance(value, str) else value
        length = len(content).to_bytes(4, "little") if several else b""
        return before(value) + length + content
    return before(value) + int(value).to_bytes(8, "little", signed=True)


def before(value: int | str | bytes) -> bytes:
    """The letter of a value's type."""
    return b"s" if isinstance(value, str) else b"b" if isinstance(value, bytes) else b"i"


def row_keys(project: str, layout: Layout, table: pa.Table) -> list[bytes]:
    """The key of every row of a table with the join keys' columns; raises RowInputError for a null."""
    prefix, several = view_prefix(project, layout.view), len(layout.keys) > 1
    if not layout.keys:
        return [prefix] * table.num_rows
    parts: list[list[bytes]] = []
    for key in layout.keys:
        _check_type(table, key, layout.view)
        column = column_of(table, key.name, key.kind, layout.view)
        if column.null_count:
            raise RowInputError(
                f"{layout.view}: expected a value of join key {key.name} in every row; found {column.null_count} nulls"
            )
        start = b"" if parts else prefix
        if key.kind in ("string", "bytes"):
            parts.append([start + key_part(value, several) for value in column.to_pylist()])
        else:
            parts.append(_whole(column, start + b"i"))
    return parts[0] if not several else [b"".join(row) for row in zip(*parts, strict=True)]


def _check_type(table: pa.Table, key: Key, view: str) -> None:
    """No bool is a key, nor a float that stands for several whole numbers."""
    for column in (table[name] for name in table.column_names if name == key.name):
        large = False
        if pa.types.is_floating(column.type):
            limit = {16: 2**11, 32: 2**24}.get(column.type.bit_width, 2**53)
            large = bool(pc.any(pc.greater_equal(pc.abs(column), limit)).as_py())
        if pa.types.is_boolean(column.type) or large:
            raise RowInputError(
                f"{view}: expected {key.kind} as join key {key.name}; found {column.type}"
                f"{' so large that it stands for several keys' if large else ''}. Write it as {key.kind}"
            )


def _whole(column: pa.Array, start: bytes) -> list[bytes]:
    """Integers behind what comes before them."""
    values = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    if not len(values):
        return []
    whole = np.empty((len(values), len(start) + 8), np.uint8)  # (rows, bytes)
    whole[:, : len(start)] = np.frombuffer(start, np.uint8)
    whole[:, len(start) :] = values.astype("<i8").view(np.uint8).reshape(-1, 8)
    return cut(whole)
