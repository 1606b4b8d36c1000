"""Where packed rows are kept: what a store must do."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

Change = Callable[[list[bytes | None]], list[bytes | None]]


class RowStore(Protocol):
    """Rows by key. Every method may be called from any thread."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The rows in the order of their keys; None where there is none."""

    def write_newest(self, pairs: Sequence[tuple[bytes, bytes]], latest: int | None = None) -> None:
        """Put (key, packed row) where no row stands that is later by (event time, created time).

        A row whose event time is above ``latest`` (microseconds UTC) stands there by mistake, and is replaced.

        Equal times are replaced: the same rows may be written again, in any order. A killed process leaves whole rows.
        """

    def change(self, keys: Sequence[bytes], change: Change) -> None:
        """Replace the rows of all keys at once by what ``change`` makes of them; None leaves a row as it is.

        Nobody sees or alters some of them in between; on a conflict with another writer ``change`` is called again.
        Whatever it raises leaves all as it was. Raises ConflictError where others do not stop.
        """

    def delete(self, prefix: bytes) -> int:
        """Delete the rows whose keys begin so; how many there were."""

    def remove(self, keys: Sequence[bytes]) -> int:
        """Delete the rows of these keys; how many there were."""

    def dump(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Every (key, row) whose key begins so, by key."""

    def close(self) -> None:
        """Give the connections back. The store connects again if it is used again."""
