"""A month of quiet summaries, and a newest day that a test changes."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

from benchmarks.monitoring_faults.product import ROLES
from benchmarks.monitoring_faults.world import World, spec
from monitoring.days import DaySummary, summarize
from monitoring.monitors.context import Context
from monitoring.monitors.judge import context_of
from monitoring.verdict import ACTIONS, Alarm, State, Verdict

SPEC = spec()
DAYS = 29


@cache
def days() -> tuple[DaySummary, ...]:
    """28 quiet days and one to judge, of 1,500 rows each."""
    world = World(1000, 1500)
    served = [world.day(number) for number in range(DAYS)]
    return tuple(summarize(SPEC, one.table, one.day, one.counts) for one in served)


def context(newest: DaySummary | None = None, earlier: tuple[DaySummary, ...] | None = None) -> Context:
    """What monitors are given on the newest day."""
    known = days()[:-1] if earlier is None else earlier
    quiet = [
        Verdict(State.HEALTHY, "", one.day, one.day, (), ACTIONS[State.HEALTHY], ROLES) for one in known if one.rows
    ]
    return context_of(SPEC, newest or days()[-1], known, quiet, ROLES)


def changed(change: Callable[[dict[str, Any]], None], day: DaySummary | None = None) -> DaySummary:
    """The newest day after ``change`` has changed its JSON document."""
    document = copy.deepcopy((day or days()[-1]).to_json())
    change(document)
    return DaySummary.from_json(document)


def put(path: str, value: Any) -> DaySummary:
    """The newest day with another value at a path such as serving.fallback."""
    *parents, last = path.split(".")

    def change(document: dict[str, Any]) -> None:
        for name in parents:
            document = document[name]
        document[last] = value

    return changed(change)


def causes(alarms: list[Alarm]) -> set[str]:
    """The causes of the alarms."""
    return {one.cause for one in alarms}


def on_days(change: Callable[[dict[str, Any], int], None]) -> tuple[DaySummary, ...]:
    """All days after ``change`` has changed their documents, which it gets with their numbers."""
    return tuple(
        changed(lambda document, number=number: change(document, number), day) for number, day in enumerate(days())
    )
