"""Errors of adapters and canonical tables."""

from collections.abc import Iterator
from contextlib import contextmanager


class SourceError(ValueError):
    """Raised when raw data or an adapter's tables cannot be used; nothing has been written."""

    def __init__(self, message: str, more: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.more = more
        """Further findings of the same check, a sentence each."""

    def __str__(self) -> str:
        more = f" (and {len(self.more)} more: python -m pipelines check lists all)" if self.more else ""
        return f"{self.args[0]}{more}"

    @property
    def sentences(self) -> tuple[str, ...]:
        """All findings."""
        return self.args[0], *self.more


class AdapterError(SourceError):
    """Raised for an adapter that fails in its own code: names the exception, the file and the line."""


class TableError(RuntimeError):
    """Raised when a folder of canonical tables is missing, damaged, or lacks the requested table."""


class Problems:
    """What a check does with a SourceError: raises it at once or, to report all of them, keeps it."""

    def __init__(self, keep: bool = False) -> None:
        self.found: list[str] = []
        """The sentences that were kept."""
        self._keep = keep

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Run the block; an error ends it."""
        try:
            yield
        except SourceError as error:
            if not self._keep:
                raise
            self.found += error.sentences

    def add(self, error: Exception) -> None:
        """Take an error of any class."""
        if not self._keep:
            raise error
        self.found.append(str(error))

    def raise_first(self) -> None:
        """Raise a SourceError with all sentences if there is one."""
        if self.found:
            raise SourceError(self.found[0], tuple(self.found[1:]))
