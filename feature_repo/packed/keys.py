"""Keys of packed rows: project, view, then the values of the join keys, ordered by key name.

A value is one letter for its type (s, b, i) and its bytes: UTF-8, raw, or an int64 little-endian. If a view has several
keys, a string or bytes value is preceded by its length (uint32, little-endian), so that no two rows share a key. A
timestamp is an int64 of microseconds. Slate reads (``feature_repo.slate``) build keys by joining these parts.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from feature_repo.packed.arrow import column_of, cut
from feature_repo.packed.errors import RowInputError
from feature_repo.packed.layout import Key, Layout

NOTES = ".notes"
"""The view of a project's notes, which no spec can name."""
_END = b"\0"


def view_prefix(project: str, view: str) -> bytes:
    """The prefix of the keys of all rows of a view; the whole key if the view has no entities.

    Raises RowInputError for a name with a zero character.
    """
    for name in (project, view):
        if "\0" in name:
            raise RowInputError(f"name {name!r}: expected one without a zero character; found one. Rename it")
    return project.encode() + _END + view.encode() + _END


def row_key(project: str, view: str, values: Sequence[int | str | bytes]) -> bytes:
    """The key of one row. ``values`` are ordered by join key name; empty for a view without entities."""
    several = len(values) > 1
    return view_prefix(project, view) + b"".join([key_part(value, several) for value in values])


def key_part(value: int | str | bytes, several: bool) -> bytes:
    """The part of a key that holds one value; ``several``: the view has more than one join key."""
    if isinstance(value, str | bytes):
        content = value.encode() if isinstance(value, str) else value
        length = len(content).to_bytes(4, "little") if several else b""
        return type_letter(value) + length + content
    return type_letter(value) + int(value).to_bytes(8, "little", signed=True)


def parts_of(key: bytes, prefix: bytes) -> list[bytes]:
    """The parts, as of ``key_part`` with ``several``, of a key with more than one join key; stops at other bytes."""
    parts, place = [], len(prefix)
    while key[place : place + 1] in (b"i", b"s", b"b"):
        text = key[place : place + 1] != b"i"
        size = 5 + int.from_bytes(key[place + 1 : place + 5], "little") if text else 9
        parts.append(key[place : place + size])
        place += size
    return parts


def type_letter(value: int | str | bytes) -> bytes:
    """The letter of a value's type."""
    return b"s" if isinstance(value, str) else b"b" if isinstance(value, bytes) else b"i"


def row_keys(project: str, layout: Layout, table: pa.Table) -> list[bytes]:
    """The key of every row of a table that holds the join keys' columns.

    Raises RowInputError for a null, a bool, or a float too large to be exact.
    """
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
            parts.append(_int_parts(column, start + b"i"))
    return parts[0] if not several else [b"".join(row) for row in zip(*parts, strict=True)]


def _check_type(table: pa.Table, key: Key, view: str) -> None:
    """Raise RowInputError for bools, and for floats that could represent several integers."""
    for column in (table[name] for name in table.column_names if name == key.name):
        large = False
        if pa.types.is_floating(column.type):
            exact_below = {16: 2**11, 32: 2**24}.get(column.type.bit_width, 2**53)
            sizes = pc.abs(column.cast(pa.float64()))  # float16 has no absolute values
            large = bool(pc.any(pc.greater_equal(sizes, exact_below)).as_py())
        if pa.types.is_boolean(column.type) or large:
            raise RowInputError(
                f"{view}: expected {key.kind} as join key {key.name}; found {column.type}"
                f"{' so large that it could be several keys' if large else ''}. Write it as {key.kind}"
            )


def _int_parts(column: pa.Array, start: bytes) -> list[bytes]:
    """Integers as int64 little-endian, each preceded by ``start``."""
    values = column.cast(pa.int64()).to_numpy()
    if not len(values):
        return []
    block = np.empty((len(values), len(start) + 8), np.uint8)  # (rows, bytes)
    block[:, : len(start)] = np.frombuffer(start, np.uint8)
    block[:, len(start) :] = values.astype("<i8").view(np.uint8).reshape(len(values), 8)
    return cut(block)
