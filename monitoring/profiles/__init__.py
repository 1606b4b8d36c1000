"""The profile of a version: what its columns, predictions and labels were like when it was registered."""

from monitoring.profiles.build import build_profile
from monitoring.profiles.compared import compared_with
from monitoring.profiles.vectors import unlike_profile
from monitoring.profiles.version import VersionProfile, read_profile

__all__ = ["VersionProfile", "build_profile", "compared_with", "read_profile", "unlike_profile"]
