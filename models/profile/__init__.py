"""How a column's values are spread, as JSON, and how far another column is from it: for the gate and the monitor."""

from models.profile.column import profile_of, seen
from models.profile.compare import FEWEST_ROWS, Change, Comparison, compare, distance

__all__ = ["FEWEST_ROWS", "Change", "Comparison", "compare", "distance", "profile_of", "seen"]
