"""Errors of packaging."""


class PackageError(RuntimeError):
    """Raised when a package cannot be made, or is not what it was when it was made."""
