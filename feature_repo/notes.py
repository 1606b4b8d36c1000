"""Notes: small JSON documents of a project in the online store itself, read and changed atomically.

They hold what must outlive a run and be equal for every pod: what is applied, the last good run of each view, which
vectors lie in which slot, and the lease. Their keys are those of the view ``.notes``, which no spec can name, so slate
reads, dumps of views and ``repair`` never see them.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from feature_repo.packed.keys import NOTES, row_key
from feature_repo.packed.rows import RowStore

Document = dict[str, Any]
Change = Callable[[Document | None], Document | None]
"""From a document (None = there is none) to its replacement; None leaves it as it is."""
ChangeAll = Callable[
    [list[Document | None], list[bytes | None]], tuple[Sequence[Document | None], Sequence[bytes | None]]
]
"""The same for several documents, and rows of views."""


class NotesError(RuntimeError):
    """Raised if the online store does not respond, or holds a note that is not ours."""


class Notes:
    """The documents of one project, by name. Every method raises NotesError, and may be called from any thread."""

    def __init__(self, rows: RowStore, project: str) -> None:
        self.rows, self.project = rows, project

    def read(self, name: str) -> Document | None:
        """A document; None if there is none."""
        with _one_clear_error():
            (found,) = self.rows.read([self._key(name)])
        return self._parsed(name, found)

    def write(self, name: str, document: Document) -> None:
        """Replace a document, whatever it was."""
        self.change(name, lambda _: document)

    def change(self, name: str, change: Change) -> None:
        """Change a document in one atomic step.

        If another writer changes it meanwhile, ``change`` is called again. If ``change`` raises, nothing is written.
        """
        self.change_all([name], lambda documents, _: ([change(documents[0])], []))

    def change_all(self, names: Sequence[str], change: ChangeAll, keys: Sequence[bytes] = ()) -> None:
        """Change several documents, and the rows of these keys, in one atomic step; otherwise as ``change``."""

        def packed(stored: list[bytes | None]) -> list[bytes | None]:
            found = [self._parsed(name, one) for name, one in zip(names, stored, strict=False)]
            documents, rows = change(found, stored[len(names) :])
            return [*(None if one is None else _packed(one) for one in documents), *rows]

        with _one_clear_error():
            self.rows.change([*map(self._key, names), *keys], packed)

    def _key(self, name: str) -> bytes:
        return row_key(self.project, NOTES, [name])

    def _parsed(self, name: str, content: bytes | None) -> Document | None:
        if content is None:
            return None
        try:
            document = json.loads(content)
        except ValueError as error:
            raise NotesError(f"project {self.project}, note {name}: expected JSON; found {error}") from None
        if not isinstance(document, dict):
            raise NotesError(f"project {self.project}, note {name}: expected an object; found {document!r:.40}")
        return document


def notes_of(store: Any) -> Notes:
    """The notes of a FeatureStore's project; ``store`` may be the notes themselves, which open without Feast."""
    if isinstance(store, Notes):
        return store
    from feature_repo.stores.online.bulk import rows_of

    return Notes(rows_of(store), store.project)


def _packed(document: Document) -> bytes:
    return json.dumps(document, allow_nan=False, separators=(",", ":")).encode()


@contextmanager
def _one_clear_error() -> Iterator[None]:
    """Raise NotesError for what the client of the online store raises where it does not respond."""
    try:
        yield
    except Exception as error:
        from redis.exceptions import RedisError

        if not isinstance(error, RedisError | sqlite3.Error):
            raise
        raise NotesError(
            f"the online store: expected a response; found {type(error).__name__}: {error}. Check that it runs and "
            "that its address is right (feature_store.yaml)"
        ) from error
