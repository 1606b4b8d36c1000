"""The quality gate before the online store: expectations of the spec, judged on what would be written."""

from feature_repo.quality.check import Finding, check
from feature_repo.quality.profile import Profile, profile
from feature_repo.quality.record import Record, forget, read_record, write_record

__all__ = ["Finding", "Profile", "Record", "check", "forget", "profile", "read_record", "write_record"]
