"""Errors of monitoring."""


class MonitoringError(ValueError):
    """Base of monitoring's errors; a message names what was expected, what was found and what to do."""


class ActionError(MonitoringError):
    """Raised when a run acts that has begun no action, or the note of the last action cannot be read."""


class EvaluationError(MonitoringError):
    """Raised when a model cannot be evaluated: graph, training set and tables differ in their impressions."""


class SeenError(MonitoringError):
    """Raised when a model was trained on the days that it would be judged on."""


class PredictionsError(MonitoringError):
    """Raised when a frame of predictions lacks a required column, window or scorer."""


class DriftError(MonitoringError):
    """Raised when a frame lacks a column to measure drift of."""


class TrafficError(MonitoringError):
    """Raised when a frame of traffic lacks a column, or has impossible labels or probabilities."""


class LedgerError(MonitoringError):
    """Raised when the run's ledger (MLflow) cannot be reached, read or written."""


class VerdictError(MonitoringError):
    """Raised when a document is not a verdict."""


class ProfileDocumentError(MonitoringError):
    """Raised when a document is not the profile of a version."""


class SummaryError(MonitoringError):
    """Raised when a document is not the summary of a day."""
