"""The counters' tables: every counter's state at every moment of change, computed by DuckDB."""

from feature_repo.counters.batch import count

__all__ = ["count"]
