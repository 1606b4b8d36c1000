"""Counts of a join of served impressions and outcomes."""

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class OutcomeCounts:
    """What a join found: served candidates, outcomes, and what could not be joined."""

    served: int = 0
    """Served candidates."""
    outcomes: int = 0
    """Outcomes of these candidates, and those received in the same days that no candidate has."""
    matched: int = 0
    """Outcomes that are a candidate's first of their task, of any value, late and skewed ones among them."""
    settled: int = 0
    """Candidates with a label of the primary task."""
    pending: int = 0
    """Candidates for which the attribution of the primary task has not passed."""
    orphan: int = 0
    """Outcomes of impressions that no served log has."""
    duplicate: int = 0
    """Outcomes after the first of their impression and task."""
    late: int = 0
    """Matched outcomes that happened after the attribution: they do not count."""
    skewed: int = 0
    """Matched outcomes that happened before the impression was served, or after they were received, by more than the
    clock's tolerance; not late as well."""
    torn: int = 0
    """Lines and files of these days that could not be read."""
    ahead: int = 0
    """Served candidates in the whole log of a day after ``now``: a server's clock was ahead."""
    torn_on: Counter[str] = field(default_factory=Counter, compare=False)
    """``torn`` by the day (UTC) of the file or its folder."""

    def __add__(self, other: "OutcomeCounts") -> "OutcomeCounts":
        """The sums."""
        return OutcomeCounts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def to_json(self) -> dict[str, int]:
        """Convert to a JSON document, without the days."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "torn_on"}
