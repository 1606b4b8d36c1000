"""Errors of the model."""


class ModelError(ValueError):
    """Base of the model's errors; messages name the thing, the expectation, what was found and what to do."""


class EncodingError(ModelError):
    """Raised when a graph or an impression lacks what the model was fitted on, or has it in another form."""
