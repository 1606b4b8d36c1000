"""Errors about definitions and the tables behind them."""


class DefinitionError(ValueError):
    """Raised when a spec or its tables cannot become Feast objects: names collide, or a view's rows are ambiguous."""


class NotAppliedError(RuntimeError):
    """Raised when the store has no definitions for the requested tables: nothing was ingested or applied yet."""
