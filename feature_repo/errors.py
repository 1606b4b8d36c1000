"""Errors of the data side."""


class SourceError(ValueError):
    """Raised when raw data or an adapter's tables cannot be used; nothing has been written."""


class TableError(RuntimeError):
    """Raised when a folder of canonical tables is missing, damaged, or lacks the table that was asked for."""


class DefinitionError(ValueError):
    """Raised when a spec or its tables cannot become Feast objects: names collide, or a view's rows are ambiguous."""


class NotAppliedError(RuntimeError):
    """Raised when the store does not know the tables that were asked for: nothing was ingested or applied yet."""


class RetrievalError(RuntimeError):
    """Raised when the features of a training set cannot be retrieved from the store."""


class PushError(ValueError):
    """Raised when a folder of vectors cannot be pushed: a file or a column is missing, or an id stands twice."""


class QualityError(RuntimeError):
    """Raised when a view that has no good values yet does not keep the spec's expectations: it stays empty online."""
