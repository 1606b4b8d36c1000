"""Errors of the graph."""


class GraphError(ValueError):
    """Base of the graph's errors; messages name the thing, what was expected, what was found and what to do."""


class GraphInputError(GraphError):
    """Raised if the tables or the training set do not make a graph: a missing file, column or key, a bad value."""


class GraphFormatError(GraphError):
    """Raised if a stored graph is damaged, truncated, incomplete, inconsistent or of another format."""


class QueryError(GraphError):
    """Raised for an invalid query of the graph: unknown node type, index out of range, wrong shape or type."""


class StatementError(GraphError):
    """Raised if an engine rejects a statement: the tables do not fit it."""


class EngineError(GraphError):
    """Raised if an engine cannot work: memory or disk is full, or its process has died."""
