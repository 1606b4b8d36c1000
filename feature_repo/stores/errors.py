"""Errors of the offline and online stores."""

from feature_repo.packed.errors import ConflictError, RowInputError, UnsupportedError

__all__ = ["ConflictError", "RetrievalInputError", "RowInputError", "UnsupportedError"]


class RetrievalInputError(ValueError):
    """Raised when entity rows, or a file of a source, lack a column or have one of a wrong type."""
