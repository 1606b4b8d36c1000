"""Slate reads: one member and N candidates, all their views, in one round trip to the online store."""

from feature_repo.slate.errors import SlateFeatureError, SlateKeyError, SlateUnavailableError
from feature_repo.slate.reader import SlateReader
from feature_repo.slate.rows import SlateRows, Status

__all__ = ["SlateFeatureError", "SlateKeyError", "SlateReader", "SlateRows", "SlateUnavailableError", "Status"]
