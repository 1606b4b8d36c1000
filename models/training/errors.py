"""Errors of training and of model artifacts."""


class TrainingError(ValueError):
    """Base of the errors of training; messages name the thing, the expectation, what was found and what to do."""


class NoSeedsError(TrainingError):
    """Raised when the windows to train on have no seed with a label."""


class NoHistoryError(TrainingError):
    """Raised when pre-training is configured and the graph has no history to learn from."""


class DivergedError(TrainingError):
    """Raised when the loss stops being a finite number."""


class CompilerError(TrainingError):
    """Raised when compilation is configured and there is no compiler."""


class ProcessError(TrainingError):
    """Raised when the processes of one training do not agree on its progress."""


class CheckpointError(TrainingError):
    """Raised when a checkpoint of this run exists but cannot be read."""


class ArtifactError(TrainingError):
    """Raised when a model's folder is missing, incomplete, damaged or of another format."""
