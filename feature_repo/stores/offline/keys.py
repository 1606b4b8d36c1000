"""Check that keys of entity rows and keys of a view's files compare by value."""

import pyarrow as pa

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.parquet import ParquetTable
from feature_repo.stores.offline.types import ambiguous, comparable


def check_key(view: str, table: ParquetTable, key: tuple[str, str], given: pa.ChunkedArray, given_kind: str) -> None:
    """Raise RetrievalInputError unless the keys compare exactly.

    Integers of any width compare with each other, and strings with strings; floats compare with integers below 2**53
    (float32: 2**24), where they are exact. ``key``: (column of the files, column of entity_df); ``given``: the values
    of the latter, (rows,), ``given_kind``: their type for the message.
    """
    column, entity_column = key
    for kind in table.types_of(column):
        if not comparable(kind, given.type):
            raise RetrievalInputError(
                f"view {view}, key {entity_column}: expected {table.kinds[column]} as in {table.path}; found "
                f"{given_kind} in entity_df. Convert the column of entity_df"
            )
        if ambiguous(given, kind):
            raise RetrievalInputError(
                f"view {view}, key {entity_column}: expected keys that {kind} (in {table.path}) and {given.type} (in "
                "entity_df) both hold exactly; found some so large that one float equals several. Make both "
                "int64 where they are made"
            )
