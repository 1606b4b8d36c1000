"""Counter tables: the state of every counter at every change, computed by DuckDB from the canonical tables."""

from feature_repo.counters.batch import count

__all__ = ["count"]
