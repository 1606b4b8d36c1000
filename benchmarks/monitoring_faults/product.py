"""A simulated product under monitoring: its days are summarized and judged one after the other."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from benchmarks.monitoring_faults.peer import fixed_rules
from benchmarks.monitoring_faults.world import VERSIONS, Served, World, spec
from monitoring.days import DaySummary, summarize
from monitoring.monitors import judge
from monitoring.verdict import State, Verdict

CALM = (State.HEALTHY, State.WATCH)
ROLES = dict(zip(("champion", "canary"), VERSIONS, strict=True))


class Product:
    """Summaries and verdicts of the days so far."""

    def __init__(
        self, world: World, first: int = 0, compare: Callable[[pa.Table], Mapping[str, Any]] = lambda _: {}
    ) -> None:
        """``first``: the number of the world's day that is the first served one; ``compare``: with a profile."""
        self.world, self.spec, self.first, self.compare = world, spec(), first, compare
        self.summaries: list[DaySummary] = []
        self.verdicts: list[Verdict] = []

    def copy(self) -> "Product":
        """A product with the same past."""
        found = Product.__new__(Product)
        found.world, found.spec, found.first, found.compare = self.world, self.spec, self.first, self.compare
        found.summaries, found.verdicts = [*self.summaries], [*self.verdicts]
        return found

    def next(self, fault: Callable[[Served], Served] | None = None) -> Verdict:
        """Serve, summarize and judge the next day."""
        served = self.world.day(self.first + len(self.summaries))
        if fault is not None:
            served = fault(served)
        summary = summarize(self.spec, served.table, served.day, served.counts, self.compare(served.table))
        verdict = judge(self.spec, summary, self.summaries[-60:], self.verdicts[-60:], roles=ROLES)
        self.summaries.append(summary)
        self.verdicts.append(verdict)
        return verdict

    def fixed_rules(self) -> list[str]:
        """The alarms of the peer, rules with fixed thresholds, on the newest day."""
        return fixed_rules(self.summaries[-1], self.summaries[:28])
