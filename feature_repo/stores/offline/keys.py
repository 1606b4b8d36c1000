"""The keys of a question beside the keys of a view's files: they compare by value, or the question is refused."""

import pyarrow as pa

from feature_repo.stores.errors import RetrievalInputError
from feature_repo.stores.offline.parquet import ParquetTable
from feature_repo.stores.offline.types import ambiguous, comparable


def check_key(view: str, table: ParquetTable, key: tuple[str, str], asked: pa.ChunkedArray, asked_kind: str) -> None:
    """Whole numbers of any width compare with one another and texts with texts; nothing else is guessed.

    ``key``: (column of the files, column of entity_df); ``asked``: the latter's values, ``asked_kind``: their type for
    the message. Floats compare with whole numbers below 2**53 (float32: 2**24), where each stands for one number.
    Raises RetrievalInputError.
    """
    column, entity_column = key
    for kind in table.types_of(column):
        if not comparable(kind, asked.type):
            raise RetrievalInputError(
                f"view {view}, key {entity_column}: expected {table.kinds[column]} as in {table.path}; found "
                f"{asked_kind} in entity_df. Convert the column of entity_df"
            )
        if ambiguous(asked, kind):
            raise RetrievalInputError(
                f"view {view}, key {entity_column}: expected keys that {kind} (in {table.path}) and {asked.type} (in "
                "entity_df) both hold exactly; found some so large that a float stands for several of them. Make both "
                "int64 where they are made"
            )
