"""The interface of a store of packed rows."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

Change = Callable[[list[bytes | None]], list[bytes | None]]


class RowStore(Protocol):
    """Packed rows by key. Every method may be called from any thread."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Read rows in the order of their keys; None for a missing row."""

    def write_newest(self, pairs: Sequence[tuple[bytes, bytes]], latest: int | None = None) -> None:
        """Write (key, packed row) pairs, except over a row that is later by (event time, created time).

        A stored row whose event time is above ``latest`` (microseconds UTC) is wrong and always replaced.

        Rows of equal times are replaced, so a write may be repeated. A killed process leaves no partial row.
        """

    def change(self, keys: Sequence[bytes], change: Change) -> None:
        """Replace the rows of all keys atomically by the result of ``change``; None leaves a row as it is.

        On a conflict with another writer ``change`` is called again. If ``change`` raises, nothing is written. Raises
        ConflictError if conflicts do not stop.
        """

    def delete(self, prefix: bytes) -> int:
        """Delete all rows whose key starts with the prefix; return how many there were."""

    def remove(self, keys: Sequence[bytes]) -> int:
        """Delete the rows of these keys; return how many there were."""

    def dump(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield every (key, row) whose key starts with the prefix, ordered by key."""

    def close(self) -> None:
        """Close the connections; the store reconnects on its next use."""
