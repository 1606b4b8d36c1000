"""Layout of a packed row: the fields of a view and their byte positions.

A row has a fixed part, then a variable part. The fixed part:

====================  ==============================================================================================
bytes                 content
====================  ==============================================================================================
0-7                   event time, microseconds UTC, plus 2**63, big-endian, so that byte order is time order
8-15                  created time, likewise; all zero: none
16-19                 digest of the fields
20-23                 flags, uint32 little-endian
24-                   one bit per field, in the layout's order, least significant first: 1 = not null; padded to 8
then                  the values of fixed width, little-endian, by kind: int64, timestamp, float64, int32, float32
then                  (start, length), uint32 each, of every field of variable width: bytes from the row's first byte;
                      start 0: null
then                  bools, one byte each; padded to 8
====================  ==============================================================================================

The variable part holds the bytes of the variable fields in the layout's order, without gaps: UTF-8 of a string, the
elements of an array (little-endian; one byte per bool), and for an array of strings or bytes the number of elements,
the length of each (uint32), then their bytes.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from feature_repo.packed.errors import UnsupportedError
from models.time_units import duration

HEADER = 24
"""Bytes before the validity bits."""
EVENT_TIME_BYTES = 8
"""Bytes of the event time."""
TIMES_BYTES = 16
"""Bytes of event and created time. A row replaces another unless the other's are greater."""
WIDTHS = {"int64": "<i8", "timestamp": "<i8", "float64": "<f8", "int32": "<i4", "float32": "<f4", "bool": "<u1"}
"""Kinds of fixed width, in their order in a row (bool last), and their NumPy types."""
_FEAST = {
    "INT64": "int64",
    "UNIX_TIMESTAMP": "timestamp",
    "DOUBLE": "float64",
    "INT32": "int32",
    "FLOAT": "float32",
    "BOOL": "bool",
    "STRING": "string",
    "BYTES": "bytes",
}
_KEY_KINDS = ("int64", "int32", "timestamp", "string", "bytes")


def time_bytes(microseconds: int | None) -> bytes:
    """A time as the first bytes of a row; None gives the greatest possible bytes."""
    if microseconds is None:
        return b"\xff" * EVENT_TIME_BYTES
    return (microseconds + 2**63).to_bytes(EVENT_TIME_BYTES, "big")


class Key(NamedTuple):
    """A join key and its kind: int64, int32, timestamp, string or bytes."""

    name: str
    kind: str


class Field(NamedTuple):
    """A feature and its kind: a key of ``WIDTHS``, ``string``, ``bytes``, or an array of these, as in ``int64[]``."""

    name: str
    kind: str

    @property
    def fixed(self) -> bool:
        """Whether every value has the same number of bytes."""
        return self.kind in WIDTHS


@dataclass(frozen=True)
class Layout:
    """A view's keys and fields, both ordered by name, and its TTL in microseconds (None: no expiry)."""

    view: str
    keys: tuple[Key, ...]
    fields: tuple[Field, ...]
    ttl: int | None = None

    @cached_property
    def digest(self) -> bytes:
        """Four bytes that change when a field is added, dropped, renamed, or changes its kind."""
        text = "\n".join(f"{len(field.name)} {field.name} {field.kind}" for field in self.fields)
        return hashlib.blake2b(text.encode(), digest_size=4).digest()

    @cached_property
    def dtype(self) -> np.dtype:
        """The fixed part as a NumPy dtype, one subarray per kind."""
        parts: list[tuple[Any, ...]] = [("event", ">u8"), ("created", ">u8"), ("digest", "<u4"), ("flags", "<u4")]
        parts.append(("bits", "u1", (_padded((len(self.fields) + 7) // 8),)))
        blocks = [(kind, WIDTHS[kind], (len(names),)) for kind, names in self.blocks]
        parts += [block for block in blocks if block[0] != "bool"]
        if self.variable:
            parts.append(("spans", "<u4", (len(self.variable), 2)))
        parts += [block for block in blocks if block[0] == "bool"]
        size = np.dtype(parts).itemsize
        if size % 8:
            parts.append(("padding", "u1", (_padded(size) - size,)))
        return np.dtype(parts)

    @cached_property
    def size(self) -> int:
        """Length of the fixed part in bytes."""
        return self.dtype.itemsize

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Field names in the layout's order."""
        return tuple(field.name for field in self.fields)

    @cached_property
    def blocks(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(kind, field names) of every kind of fixed width that occurs."""
        found = [(kind, tuple(field.name for field in self.of_kind(kind))) for kind in WIDTHS]
        return tuple((kind, names) for kind, names in found if names)

    @cached_property
    def variable(self) -> tuple[Field, ...]:
        """Fields of variable width, in the layout's order."""
        return tuple(field for field in self.fields if not field.fixed)

    def of_kind(self, kind: str) -> tuple[Field, ...]:
        """Fields of one kind, in the layout's order."""
        return tuple(field for field in self.fields if field.kind == kind)

    def position(self, name: str) -> int:
        """Byte offset of the field's value or, if its width is variable, of its (start, length)."""
        field = self.field(name)
        if field.fixed:
            part, among = field.kind, self.of_kind(field.kind)
            width = np.dtype(WIDTHS[field.kind]).itemsize
        else:
            part, among, width = "spans", self.variable, 8
        offsets = self.dtype.fields
        assert offsets is not None
        return int(offsets[part][1]) + among.index(field) * width

    def field(self, name: str) -> Field:
        """The field of that name. Raises UnsupportedError if the view has none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise UnsupportedError(
            f"{self.view}: expected one of {', '.join(field.name for field in self.fields)}; found {name}"
        )


def layout_of(view: Any) -> Layout:
    """The layout of a Feast view. Raises UnsupportedError for a type that a packed row cannot hold."""
    from feast.feature_view import DUMMY_ENTITY_ID

    keys = [Key(c.name, _kind(view.name, c)) for c in view.entity_columns if c.name != DUMMY_ENTITY_ID]
    for key in keys:
        if key.kind not in _KEY_KINDS:
            raise UnsupportedError(
                f"{view.name}: expected join key {key.name} as one of {', '.join(_KEY_KINDS)}; found {key.kind}"
            )
    fields = [Field(feature.name, _kind(view.name, feature)) for feature in view.features]
    ttl = getattr(view, "ttl", None)
    return Layout(view.name, tuple(sorted(keys)), tuple(sorted(fields)), duration(ttl) if ttl else None)


def _kind(view: str, column: Any) -> str:
    """The kind of a Feast field."""
    name = column.dtype.to_value_type().name
    scalar = name.removesuffix("_LIST")
    if scalar not in _FEAST:
        raise UnsupportedError(
            f"{view}: expected {column.name} as one of {', '.join(_FEAST)} or an array of them; found {name}. "
            "Give the field another type, or keep the view in one of Feast's own online stores"
        )
    return _FEAST[scalar] + ("[]" if name != scalar else "")


def _padded(size: int) -> int:
    return -(-size // 8) * 8
