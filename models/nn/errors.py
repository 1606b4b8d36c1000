"""Errors of the model."""


class ModelError(ValueError):
    """Base of the model's errors; the message says the thing, what was expected, what was found and what to do."""


class ConfigError(ModelError):
    """Raised when a key of a configuration has a value that cannot be used, alone or beside the others."""


class EncodingError(ModelError):
    """Raised when a graph or an impression does not hold what the model was fitted on, or holds it in another form."""
