"""Point-in-time retrieval: features, counters and node versions strictly before a time, out of Feast."""

from feature_repo.as_of.features import RetrievalError, arrow_type, features_as_of, join_keys, last_visible

__all__ = ["RetrievalError", "arrow_type", "features_as_of", "join_keys", "last_visible"]
