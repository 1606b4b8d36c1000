"""Profiles of columns as JSON, and how far other rows are from them: for quality gate, version and monitors."""

from models.profile.column import count_names, count_values
from models.profile.columns import ColumnProfiles, ColumnShift, compare_columns, profile_rows
from models.profile.compare import FEWEST_ROWS, PSI, UNUSABLE, VARIATION, Change, Comparison, compare, distance
from models.profile.summary import ProfileError, profile_of

__all__ = [
    "FEWEST_ROWS",
    "PSI",
    "UNUSABLE",
    "VARIATION",
    "Change",
    "ColumnProfiles",
    "ColumnShift",
    "Comparison",
    "ProfileError",
    "compare",
    "compare_columns",
    "count_names",
    "count_values",
    "distance",
    "profile_of",
    "profile_rows",
]
