"""Slate query: one round trip for rows of known keys, and rows whose keys are values in those rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

PackedRow = bytes | None


@dataclass(frozen=True)
class KeyField:
    """Where a packed row holds a feature that is a key of another view, and how to write that key from it."""

    digest: bytes
    """Digest of the layout. Rows of another layout do not have the field."""
    digest_at: int
    null_byte: int
    null_mask: int
    """Offsets in the row, and the field's bit among the validity bits."""
    at: int
    """Offset of the value or, for a string, of its (start, length): two uint32, little-endian."""
    size: int
    """Bytes of the value: 8, or 4 (extended to 8 in a key); 0 for a string."""
    prefix: bytes
    """Bytes before the value in the key."""
    framed: bool
    """Whether the value is preceded by its length (uint32), as in keys of several values."""

    def value(self, row: PackedRow) -> bytes | None:
        """The key's part from one row; None if the row is missing, of another layout, or null in the field."""
        if row is None or row[self.digest_at : self.digest_at + len(self.digest)] != self.digest:
            return None
        if not row[self.null_byte] & self.null_mask:
            return None
        start, length = self.at, self.size
        if not length:
            start, length = (int.from_bytes(row[self.at + i : self.at + i + 4], "little") for i in (0, 4))
        value = row[start : start + length]
        if self.size == 4:
            value += b"\xff\xff\xff\xff" if value[3] & 128 else bytes(4)
        return self.prefix + (length.to_bytes(4, "little") if self.framed else b"") + value


@dataclass(frozen=True)
class KeyFromRow:
    """A key part that comes from the query's direct rows: for row i from row ``first + step * i`` of them."""

    field: KeyField
    first: int
    step: int
    """1: each candidate's own row; 0: one row shared by all."""


@dataclass(frozen=True)
class DerivedRows:
    """Rows of one view whose keys are concatenated from parts: constant bytes, bytes per row, or values of rows."""

    count: int
    parts: tuple[bytes | Sequence[bytes] | KeyFromRow, ...]

    def keys(self, rows: Sequence[PackedRow]) -> list[bytes | None]:
        """(count,) keys, given the direct rows; None if a part is unknown."""
        keys: list[bytes | None] = [b""] * self.count
        for part in self.parts:
            for i, key in enumerate(keys):
                more = self._part(part, i, rows)
                keys[i] = None if key is None or more is None else key + more
        return keys

    def _part(self, part: bytes | Sequence[bytes] | KeyFromRow, i: int, rows: Sequence[PackedRow]) -> bytes | None:
        if isinstance(part, bytes):
            return part
        return part.field.value(rows[part.first + part.step * i]) if isinstance(part, KeyFromRow) else part[i]


@dataclass(frozen=True)
class Query:
    """The rows of one round trip: direct rows by key, then derived rows."""

    keys: list[bytes]
    derived: list[DerivedRows] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys) + sum(rows.count for rows in self.derived)


class QueryClient(Protocol):
    """A connection pool to an online store that runs queries."""

    async def fetch(self, query: Query) -> list[PackedRow]:
        """(rows,): the rows of the keys in their order, then the derived rows; None for a missing row.

        May be cancelled at any time. Raises ``DownError`` if the store does not respond.
        """

    async def close(self) -> None:
        """Close every connection."""


class DownError(ConnectionError):
    """Raised by a client whose store does not respond."""
