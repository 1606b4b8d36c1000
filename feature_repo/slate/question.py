"""What a read asks of the store in one round trip: rows of known keys, and rows whose keys stand in those rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

Row = bytes | None


@dataclass(frozen=True)
class Slot:
    """Where a packed row holds a feature that is a key elsewhere, and how the key is written from it."""

    digest: bytes
    """The layout's, as it stands in the row: a row of another layout has no such slot."""
    digest_at: int
    null_byte: int
    null_mask: int
    at: int
    """Of the value, or of a string's (start, length): two uint32, little endian."""
    size: int
    """Bytes of the value: 8, or 4 (a key has it as 8); 0 for a string."""
    before: bytes
    """What the key has before the value."""
    framed: bool
    """Whether the value's length (uint32) goes before it: keys of several values."""

    def value(self, row: Row) -> bytes | None:
        """The key's part for one row; None if the row is missing, of another layout, or has null there."""
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
        return self.before + (length.to_bytes(4, "little") if self.framed else b"") + value


@dataclass(frozen=True)
class Found:
    """A key's part that stands in the rows asked for: row i's is in row ``first + step * i`` of them."""

    slot: Slot
    first: int
    step: int
    """1: each candidate's own row; 0: the one row that all share."""


@dataclass(frozen=True)
class DerivedRows:
    """Rows of one view whose keys are concatenated from parts: the same bytes, bytes a row, or a value found."""

    count: int
    parts: tuple[bytes | Sequence[bytes] | Found, ...]

    def keys(self, rows: Sequence[Row]) -> list[bytes | None]:
        """(count,) keys, given the rows that were asked for directly; None where a part is not known."""
        keys: list[bytes | None] = [b""] * self.count
        for part in self.parts:
            for i, key in enumerate(keys):
                more = self._part(part, i, rows)
                keys[i] = None if key is None or more is None else key + more
        return keys

    def _part(self, part: bytes | Sequence[bytes] | Found, i: int, rows: Sequence[Row]) -> bytes | None:
        if isinstance(part, bytes):
            return part
        return part.slot.value(rows[part.first + part.step * i]) if isinstance(part, Found) else part[i]


@dataclass(frozen=True)
class Question:
    """One round trip."""

    keys: list[bytes]
    derived: list[DerivedRows] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys) + sum(rows.count for rows in self.derived)


class Access(Protocol):
    """An online store that answers questions."""

    async def fetch(self, question: Question) -> list[Row]:
        """(rows,): the rows of the keys in their order, then those of the derived rows; None where there is none.

        Raises ``DownError`` if the store does not answer; it may be cancelled at any moment.
        """

    async def close(self) -> None:
        """Give every connection back."""


class DownError(ConnectionError):
    """Raised by an access when its store does not answer."""
