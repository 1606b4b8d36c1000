"""Errors of deployments."""


class DeploymentError(RuntimeError):
    """Raised when a target refuses a change, does not know the service, or does not become ready in time."""


class VerdictError(ValueError):
    """Raised when the gate's verdict is missing, or does not allow the version to serve."""
