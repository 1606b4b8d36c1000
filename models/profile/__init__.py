"""The distribution of a column as JSON, and the distance of another column from it: for quality gate and monitor."""

from models.profile.column import count_values, profile_of
from models.profile.compare import FEWEST_ROWS, Change, Comparison, compare, distance

__all__ = ["FEWEST_ROWS", "Change", "Comparison", "compare", "count_values", "distance", "profile_of"]
