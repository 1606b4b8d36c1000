"""What monitors need of one day of served rows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from monitoring.days.explored import usual_rate
from monitoring.days.figures import ALL, Figure
from monitoring.documents import plain
from monitoring.errors import SummaryError

FORMAT = 1
_LATER = frozenset(("profile", "explored"))
"""Sections that older summaries lack."""


@dataclass(frozen=True)
class DaySummary:
    """One product-local day. Everything in it is strict JSON and small, whatever the number of rows."""

    day: str
    """ISO-8601."""
    rows: int
    """Candidates served on that day, without those of an impossible clock."""
    log: Mapping[str, Any]
    """``columns`` with a value, ``clock``: rows whose time is not of that day, and the counts of the join by name."""
    serving: Mapping[str, Any]
    """``slates``; shares of the rows: ``fallback``, ``stale`` by kind; of those that are no fallbacks: ``member_cold``,
    ``item_cold``; ``latency`` in seconds by quantile, empty where none is logged."""
    traffic: Mapping[str, Any]
    """Rows by ``surfaces``, ``versions`` and ``hours`` (24, local); ``member``, ``item``: ``distinct`` values,
    ``share`` of the rows of the most frequent one, ``most``: which."""
    columns: Mapping[str, Mapping[str, Any]]
    """Features of the rows that are no fallbacks: ``monitoring.days.columns``."""
    predictions: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """By task and surface, fallbacks left out: ``rows``, ``invalid`` (none, or outside 0 to 1), ``mean``, ``log_odds``
    (mean), ``spread`` (of the log odds), ``most`` (share of the most frequent one), ``histogram`` (20 bins)."""
    labels: Mapping[str, Mapping[str, Mapping[str, Any]]]
    """By task and surface: ``rows``, ``settled``, ``positives``, ``delay`` (positives by delay, 12 bins), ``hours``
    (settled rows and positives by hour of the day; for all surfaces together only)."""
    figures: tuple[Figure, ...]
    """By task and cell."""
    profile: Mapping[str, Any] = field(default_factory=dict)
    """The day compared with a version's profile (``monitoring.profiles.compared_with``): ``version``, ``digest`` of the
    profile's columns, ``columns`` (``ColumnShift`` by name), and what the profile says of other figures; empty without
    a profile."""
    canaries: tuple[Mapping[str, Any], ...] = ()
    """Every two versions in the hours in which both served, by task: ``champion`` (the one with more rows), ``canary``,
    ``champion_rate``, ``difference`` of the rates (canary minus champion) and its ``error`` between members, ``rows``
    of the canary, ``together``: the share of both versions' rows that is in those hours."""
    explored: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By task, where slates were in random order: sums of each version for the estimate of what its usual order would
    have earned (``versions``: ``monitoring.statistics.snips.Sums``), and of two (``pairs``: ``Pair.shared``)."""

    def figure(self, task: str, surface: str = ALL, version: str = ALL, cohort: str = ALL) -> Figure | None:
        """The figure of a cell; None where there are no such rows."""
        return self._cells.get((task, surface, version, cohort))

    @cached_property
    def _cells(self) -> dict[tuple[str, str, str, str], Figure]:
        # Of two alike, the first: a surface may have the name "all".
        return {(one.task, one.surface, one.version, one.cohort): one for one in reversed(self.figures)}

    def to_json(self) -> dict[str, Any]:
        """Convert to strict JSON."""
        return {"format": FORMAT, **plain(asdict(self))}

    def to_page(self) -> dict[str, Any]:
        """One element of ``days`` of the monitoring page's report."""
        settled = next((task[ALL] for task in self.labels.values()), {"rows": 0, "settled": 0})
        return plain(
            {
                "day": self.day,
                "rows": self.rows,
                "slates": self.serving["slates"],
                "pending": settled["rows"] - settled["settled"],
                "fallback": self.serving["fallback"],
                "cold": self.serving["item_cold"],
                "figures": [
                    {**one.to_page(), **usual_rate(self.explored.get(one.task, {}), one)} for one in self.figures
                ],
            }
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "DaySummary":
        """Read what ``to_json`` wrote. Raises SummaryError for anything else."""
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']}")
            given = {
                one.name: document[one.name] for one in fields(cls) if one.name in document or one.name not in _LATER
            }
            return cls(
                **{
                    **given,
                    "figures": tuple(Figure(**one) for one in given["figures"]),
                    "canaries": tuple(given["canaries"]),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SummaryError(
                f"summary of a day: expected what DaySummary.to_json writes in format {FORMAT}; found {error}. "
                "Run monitoring again: it makes summaries of the served log"
            ) from None
