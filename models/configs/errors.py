"""Errors of configurations."""


class ConfigError(ValueError):
    """Raised when a key of a configuration is invalid, by itself or together with the others."""
