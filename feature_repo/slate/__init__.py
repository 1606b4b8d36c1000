"""Reading a slate from the online store: one member and N candidates, all their views, one round trip."""

from feature_repo.slate.answer import SlateRows, Status
from feature_repo.slate.errors import SlateFeatureError, SlateKeyError, SlateUnavailableError
from feature_repo.slate.reader import SlateReader

__all__ = ["SlateFeatureError", "SlateKeyError", "SlateReader", "SlateRows", "SlateUnavailableError", "Status"]
