"""Errors of deployments."""


class DeploymentError(RuntimeError):
    """Raised when a target refuses a change, does not know the service, or does not become ready in time."""


class ChangedError(DeploymentError):
    """Raised when another process has changed what a change was decided on, or what it stored. Nothing is put back."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name}: expected it as it was read; found that another process changed the endpoint meanwhile. See what "
            "serves now: python -m serving status"
        )


class LeftError(DeploymentError):
    """Raised when a change failed, and what served before could not be put back: the version may have traffic."""


class VerdictError(ValueError):
    """Raised when the gate's verdict is missing, or does not allow the version to serve."""
