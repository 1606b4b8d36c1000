"""Errors of the stores."""


class UnsupportedError(NotImplementedError):
    """Raised when a store is asked for what it does not do; the message says what to do instead.

    A NotImplementedError, because Feast takes that as the sign to use its own way where it has one.
    """


class RetrievalInputError(ValueError):
    """Raised when a question to a store, or a file that it reads, lacks a column or has one of a wrong type."""


class RowInputError(ValueError):
    """Raised when a row cannot be packed: a column, key or value that its view's layout has no place for."""


class ConflictError(RuntimeError):
    """Raised when other writers kept changing the rows that a change was to replace."""
