"""Errors of training and of what it leaves behind."""


class TrainingError(ValueError):
    """Base of the errors of training; the message says the thing, what was expected, what was found and what to do."""


class NoSeedsError(TrainingError):
    """Raised when the windows to train on hold no seed with a label."""


class NoHistoryError(TrainingError):
    """Raised when training is to begin with the history and the graph holds none to learn from."""


class DivergedError(TrainingError):
    """Raised when the loss stops being a finite number."""


class CompilerError(TrainingError):
    """Raised when training is to be compiled and there is no compiler."""


class ProcessError(TrainingError):
    """Raised when the processes of one training do not stand at the same place."""


class CheckpointError(TrainingError):
    """Raised when a checkpoint of this very run is there but cannot be read."""


class ArtifactError(TrainingError):
    """Raised when a model's folder is missing, incomplete, damaged or of another format; the message says which."""
