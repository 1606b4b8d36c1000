"""Errors of packaging."""


class PackageError(RuntimeError):
    """Raised when a package cannot be made, or was changed since."""
