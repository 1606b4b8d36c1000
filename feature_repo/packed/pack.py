"""Pack Arrow columns into rows of bytes (see ``layout``), and unpack rows into NumPy columns."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from feature_repo.packed.arrow import column_of, cut
from feature_repo.packed.errors import RowInputError
from feature_repo.packed.layout import WIDTHS, Field, Layout
from models.counters.ragged import Ragged

FLAG_BATCH = 1
"""Row flag: written by a batch from the offline store, not by the stream."""

_SIGN = np.uint64(1 << 63)
_NO_TIME = -(2**63)
_MAX_BYTES = 2**32 - 1  # a length is a uint32
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class UnpackedRows:
    """Rows of one view as columns. Missing rows and null values read as zero or empty."""

    found: np.ndarray
    """(rows,) bool: the row exists, has this layout and is intact."""
    event_time: np.ndarray
    """(rows,) int64, microseconds UTC."""
    created: np.ndarray
    """(rows,) int64, microseconds UTC; the smallest int64: none."""
    flags: np.ndarray
    """(rows,) uint32."""
    values: dict[str, np.ndarray | Ragged]
    """By field: (rows,) values, dtype object for strings and bytes; arrays as Ragged of ``rows`` rows."""
    valid: dict[str, np.ndarray]
    """By field: (rows,) bool, false = null."""
    complete: bool
    """Whether every row was found and has no nulls."""
    unreadable: int
    """How many rows exist but have another layout or are damaged; they count as missing."""


def pack(layout: Layout, table: pa.Table, event: str, created: str | None = None, flags: int = 0) -> list[bytes]:
    """Pack the rows of a table; ``event`` and ``created`` name its time columns.

    Raises RowInputError for a missing column, a wrong type, a row without an event time, or null array elements.
    """
    rows = np.zeros(table.num_rows, layout.dtype)
    rows["event"] = _times(layout, table, event)
    if created is not None:
        rows["created"] = _times(layout, table, created, optional=True)
    rows["digest"] = int.from_bytes(layout.digest, "little")
    rows["flags"] = flags
    valid = np.zeros((len(rows), rows["bits"].shape[1] * 8), bool)
    placed = dict.fromkeys(WIDTHS, 0)
    tails: list[list[bytes]] = []
    for place, field in enumerate(layout.fields):
        column = column_of(table, field.name, field.kind, layout.view)
        valid[:, place] = column.is_valid().to_numpy(zero_copy_only=False)
        if field.fixed:
            rows[field.kind][:, placed[field.kind]] = _numbers(column)
            placed[field.kind] += 1
        else:
            tails.append(_tails(layout, field, column))
    rows["bits"] = np.packbits(valid, axis=1, bitorder="little")
    if tails:
        kept = [place for place, field in enumerate(layout.fields) if not field.fixed]
        rows["spans"] = _spans(layout, valid[:, kept], tails)
    fixed = cut(rows.view(np.uint8).reshape(len(rows), layout.size))
    return [b"".join(parts) for parts in zip(fixed, *tails, strict=True)] if tails else fixed


def unpack(layout: Layout, rows: Sequence[bytes | None]) -> UnpackedRows:
    """Unpack rows into columns. None, a row of another layout and a damaged row are missing."""
    size, blank = layout.size, bytes(layout.size)
    held = [blank if row is None or len(row) < size else row for row in rows]
    fixed = np.frombuffer(b"".join([row[:size] for row in held]), layout.dtype)
    lengths = np.fromiter(map(len, held), np.int64, len(held))
    valid = np.unpackbits(fixed["bits"], axis=1, count=len(layout.fields), bitorder="little").view(bool)
    spans = fixed["spans"].astype(np.int64) if layout.variable else None
    found = (fixed["digest"] == int.from_bytes(layout.digest, "little")) & _is_intact(layout, valid, spans, lengths)
    unreadable = len(rows) - rows.count(None) - int(found.sum())
    if unreadable:
        _log.warning("%s: %d of %d rows are damaged or of another layout: missing", layout.view, unreadable, len(rows))
        fixed, valid = np.where(found, fixed, np.zeros(1, layout.dtype)), valid & found[:, None]
        spans = None if spans is None else spans * found[:, None, None]
    values: dict[str, np.ndarray | Ragged] = {}
    for kind, names in layout.blocks:
        block = fixed[kind].T  # (fields of the kind, rows)
        values.update(zip(names, block.view(bool) if kind == "bool" else block, strict=True))
    if spans is not None:
        for place, field in enumerate(layout.variable):
            values[field.name] = _variable(field, held, spans[:, place])
    return UnpackedRows(
        found=found,
        event_time=np.where(found, _decode_time(fixed["event"]), 0),
        created=_decode_time(fixed["created"]),
        flags=fixed["flags"],
        values=values,
        valid=dict(zip(layout.names, valid.T, strict=True)),
        complete=bool(valid.all()),
        unreadable=unreadable,
    )


def _times(layout: Layout, table: pa.Table, name: str, optional: bool = False) -> np.ndarray:
    """A time column, biased so that its big-endian bytes sort as the times do: (rows,) uint64."""
    kind = "int64" if name in table.column_names and pa.types.is_integer(table.schema.field(name).type) else "timestamp"
    column = column_of(table, name, kind, layout.view).cast(pa.int64())
    if column.null_count and not optional:
        raise RowInputError(f"{layout.view}: expected a time in every row of {name}; found {column.null_count} nulls")
    found = column.fill_null(_NO_TIME).to_numpy()
    return found.astype(np.int64).view(np.uint64) ^ _SIGN


def _decode_time(biased: np.ndarray) -> np.ndarray:
    """The inverse of ``_times``: (rows,) int64."""
    return (biased.astype(np.uint64) ^ _SIGN).view(np.int64)


def _numbers(column: pa.Array) -> np.ndarray:
    """Values of fixed width, null as 0: (rows,)."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    elif pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    return (column.fill_null(0) if column.null_count else column).to_numpy()


def _tails(layout: Layout, field: Field, column: pa.Array) -> list[bytes]:
    """Each row's bytes for a field of variable width; empty for a null."""
    if field.kind in ("string", "bytes"):
        return [value or b"" for value in column.cast(pa.large_binary()).to_pylist()]
    if column.values.null_count and column.flatten().null_count:
        raise RowInputError(
            f"{layout.view}: expected no nulls inside the arrays of {field.name}; found {column.flatten().null_count}"
        )
    offsets = column.offsets.to_numpy()
    first, elements = int(offsets[0]), column.values[offsets[0] : offsets[-1]]
    starts, ends = offsets[:-1] - first, offsets[1:] - first
    if column.null_count:
        ends = np.where(column.is_valid().to_numpy(zero_copy_only=False), ends, starts)
    if field.kind in ("string[]", "bytes[]"):
        return _texts(column, elements.cast(pa.large_binary()).to_pylist(), starts, ends)
    numbers = _numbers(elements)
    width, content = numbers.itemsize, numbers.tobytes()
    return [content[a:b] for a, b in zip((starts * width).tolist(), (ends * width).tolist(), strict=True)]


def _texts(column: pa.Array, elements: list[bytes], starts: np.ndarray, ends: np.ndarray) -> list[bytes]:
    """Arrays of strings or bytes: the count, the length of each, then their bytes."""
    rows = []
    for valid, start, end in zip(column.is_valid().to_pylist(), starts.tolist(), ends.tolist(), strict=True):
        some = elements[start:end]
        head = np.array([len(some), *map(len, some)], "<u4").tobytes() if valid else b""
        rows.append(b"".join([head, *some]))
    return rows


def _spans(layout: Layout, valid: np.ndarray, tails: Sequence[list[bytes]]) -> np.ndarray:
    """(start, length) of every field of variable width, start 0 for null: (rows, fields, 2)."""
    lengths = np.array([list(map(len, parts)) for parts in tails], np.int64).reshape(len(tails), len(valid)).T
    ends = layout.size + np.cumsum(lengths, axis=1)
    if len(ends) and ends[:, -1].max() > _MAX_BYTES:
        raise RowInputError(f"{layout.view}: expected rows of at most {_MAX_BYTES} bytes; found {ends[:, -1].max()}")
    return np.stack([np.where(valid, ends - lengths, 0), lengths], axis=-1)


def _is_intact(layout: Layout, valid: np.ndarray, spans: np.ndarray | None, lengths: np.ndarray) -> np.ndarray:
    """Which rows have the length and the variable parts that their spans state: (rows,) bool."""
    if spans is None:
        return lengths == layout.size
    kept = [place for place, field in enumerate(layout.fields) if not field.fixed]
    starts, sizes = spans[:, :, 0], spans[:, :, 1]
    ends = layout.size + np.cumsum(sizes, axis=1)
    placed = np.where(valid[:, kept], starts == ends - sizes, (starts == 0) & (sizes == 0))
    return placed.all(axis=1) & (ends[:, -1] == lengths)


def _variable(field: Field, rows: Sequence[bytes], spans: np.ndarray) -> np.ndarray | Ragged:
    """Values of a field of variable width: (rows,), or a Ragged of ``rows`` rows."""
    parts = [row[start : start + length] for row, (start, length) in zip(rows, spans.tolist(), strict=True)]
    if field.kind in ("string", "bytes"):
        values = np.empty(len(parts), object)
        values[:] = [part.decode() for part in parts] if field.kind == "string" else parts
        return values
    element = field.kind[:-2]
    offsets = np.zeros(len(parts) + 1, np.int64)
    if element in WIDTHS:
        width = np.dtype(WIDTHS[element])
        np.cumsum(spans[:, 1] // width.itemsize, out=offsets[1:])
        content = np.frombuffer(b"".join(parts), width)
        return Ragged(offsets, content.view(bool) if element == "bool" else content)
    lists = [_elements(part, element == "string") for part in parts]
    np.cumsum([len(some) for some in lists], out=offsets[1:])
    whole = np.empty(int(offsets[-1]), object)
    whole[:] = [value for some in lists for value in some]
    return Ragged(offsets, whole)


def _elements(part: bytes, text: bool) -> list[str] | list[bytes]:
    """The inverse of ``_texts`` for one row."""
    if not part:
        return []
    count = int.from_bytes(part[:4], "little")
    ends = np.cumsum(np.frombuffer(part, "<u4", count, 4), dtype=np.int64) + 4 + 4 * count
    starts = [4 + 4 * count, *ends[:-1].tolist()]
    some = [part[start:end] for start, end in zip(starts, ends.tolist(), strict=False)]
    return [value.decode() for value in some] if text else some
