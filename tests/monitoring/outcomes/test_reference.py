"""The join against a reference that looks at one outcome after the other, in both forms of the served log."""

import tempfile
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from models.clock import tolerance
from models.outcome_parts import Outcome
from models.spec import Spec
from models.time_units import DAY, HOUR
from monitoring.outcomes import OutcomeCounts, join
from tests.monitoring.outcomes.world import START, joined, line, spec_of, write_lines, write_outcomes, write_parts

SPEC = spec_of("2h", None)
DAYS = ("2026-01-01", "2026-01-02")
MINUTE = HOUR // 60
END = START + 2 * DAY


def _after(steps: int) -> int:
    return START + DAY + steps * 10 * MINUTE


def draw(random: Random, rows: int, outcomes: int) -> tuple[dict[str, int], list[Outcome]]:
    """Rows and outcomes around midnight; most times tie with a bound of the others."""

    def time() -> int:
        return START + DAY + random.randint(-18, 18) * 10 * MINUTE

    served = {f"{random.choice('abcd')}/{random.randint(0, 1)}/{rank}": time() for rank in range(rows)}
    bounds = [-tolerance() - 1, -tolerance(), 0, 2 * HOUR, 2 * HOUR + 1, 3000 * DAY]

    def one() -> Outcome:
        impression = random.choice([*served, "unknown/0/0"])
        happened = served.get(impression, START + DAY) + random.choice(bounds)
        received = random.choice([time(), happened - tolerance(), happened - tolerance() - 1])
        task = random.choice(["click", "click", "like", "gone"])
        return Outcome(impression, task, random.randint(0, 1), happened, min(received, END - 1))

    return served, [one() for _ in range(outcomes)]


def reference(spec: Spec, rows: dict[str, int], found: list[Outcome], now: int) -> tuple[dict[str, Any], Counter[str]]:
    """Label and time of each impression and task, and the counts."""
    counts: Counter[str] = Counter(served=len(rows))
    won: dict[tuple[str, str], Outcome] = {}
    for one in sorted(found, key=lambda one: (one.received, one.happened, -one.value)):
        if one.received > now or one.task not in spec.tasks:
            continue
        counts["outcomes"] += 1
        key = one.impression, one.task
        counts["duplicate"] += key in won
        if key not in won:
            won[key] = one
            counts["matched" if one.impression in rows else "orphan"] += 1
    labels = {}
    for impression, served in rows.items():
        for name, task in spec.tasks.items():
            first, until = won.get((impression, name)), task.attribution_time
            label, happened = 0.0, None
            if first is not None:
                early = first.happened < served - tolerance()
                skewed = early or first.happened > first.received + tolerance()
                late = bool(until) and first.happened > served + until
                counts["skewed"] += skewed
                counts["late"] += late and not skewed
                label = float(first.value and not early and not late)
                happened = first.happened if first.value and not skewed else None
            settled = served + until <= now
            labels[f"{impression} {name}"] = (label if settled else None, happened)
            if name == spec.primary_task:
                counts["settled" if settled else "pending"] += 1
    return labels, counts


@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@example(Random(0), 0, 0, START)
@example(Random(0), 30, 0, END)
@example(Random(0), 0, 30, END)
@given(st.integers(0, 1 << 30).map(Random), st.just(30), st.just(200), st.integers(0, 20).map(_after))
def test_the_join_is_that_of_the_reference(random: Random, served: int, outcomes: int, now: int) -> None:
    rows, found = draw(random, served, outcomes)
    labels, counts = reference(SPEC, rows, found, now)
    log = [line(impression, served) for impression, served in rows.items()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stored = write_outcomes(f"{name}/outcomes", found)
        lines, parts = write_lines(folder / "lines", log), write_parts(f"{name}/parts", log)
        places: list[Path | str] = [lines, parts]
        for number, place in enumerate(places):
            target = folder / str(number)
            assert join(SPEC, place, stored, now, *DAYS, target) == OutcomeCounts(**dict[str, Any](counts))
            got = {
                f"{one['impression']} {task}": (one[f"label_{task}"], one[f"happened_{task}"])
                for day in DAYS
                for one in joined(target, day)
                for task in SPEC.tasks
            }
            assert got == labels
