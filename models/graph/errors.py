"""Errors of the graph."""


class GraphError(ValueError):
    """Base of the graph's errors; the message says the thing, what was expected, what was found and what to do."""


class GraphInputError(GraphError):
    """Raised when the tables or the training set cannot be made into a graph: a missing file, column or key."""


class GraphFormatError(GraphError):
    """Raised when a stored graph cannot be trusted: damaged, truncated, incomplete or of another format."""


class QueryError(GraphError):
    """Raised when a question to the graph makes no sense: unknown node type, index out of range, wrong shape."""


class StatementError(GraphError):
    """Raised when an engine cannot answer a statement: the tables do not fit it."""


class EngineError(GraphError):
    """Raised when an engine cannot work at all: no room in memory or on disk."""
