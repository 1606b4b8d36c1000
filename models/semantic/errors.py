"""Errors of semantic IDs."""


class SemanticError(ValueError):
    """Raised for settings, vectors or artifacts that cannot be used; the message says what to do."""
