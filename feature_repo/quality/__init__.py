"""Quality gate before the online store: the spec's expectations, checked on the rows about to be written."""

from feature_repo.quality.check import Finding, QualityError, check
from feature_repo.quality.last_run import LastRun, forget, last_seen, read_last_run, write_last_run
from feature_repo.quality.profile import Profile, kinds_of, profile

__all__ = [
    "Finding",
    "LastRun",
    "Profile",
    "QualityError",
    "check",
    "forget",
    "kinds_of",
    "last_seen",
    "profile",
    "read_last_run",
    "write_last_run",
]
