"""Errors of monitoring."""


class MonitoringError(ValueError):
    """Base of monitoring's errors; the message says the thing, what was expected, what was found and what to do."""


class EvaluationError(MonitoringError):
    """Raised when a model cannot be evaluated: graph, training set and tables do not hold the same impressions."""


class SeenError(MonitoringError):
    """Raised when a model was trained on the days on which it is to be judged."""


class PredictionsError(MonitoringError):
    """Raised when a frame of predictions lacks a column, a window or a scorer that is asked of it."""


class DriftError(MonitoringError):
    """Raised when drift is asked on columns that a frame does not have."""


class TrafficError(MonitoringError):
    """Raised when a frame of traffic lacks a column, or its labels or probabilities are no such thing."""


class LedgerError(MonitoringError):
    """Raised when the run's ledger (MLflow) cannot be reached, read or written."""
