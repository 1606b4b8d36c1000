"""Errors of packed rows and their stores."""


class UnsupportedError(NotImplementedError):
    """Raised for something that a store does not support; the message says what to do instead.

    A NotImplementedError, because Feast then falls back to its own implementation where it has one.
    """


class RowInputError(ValueError):
    """Raised when a row cannot be packed: a column, key or value does not fit its view's layout."""


class ConflictError(RuntimeError):
    """Raised when other writers kept changing the rows that a change was to replace."""
