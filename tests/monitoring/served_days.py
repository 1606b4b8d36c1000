"""Days of joined rows for the tests: a log that answers joins as ``monitoring.outcomes.join`` does."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from models.spec import Spec
from models.time_units import DAY, microseconds, moment
from tests.factories import specs
from tests.monitoring.fakes import DOCUMENT

SPEC = specs.spec_of(
    {
        **DOCUMENT,
        "monitoring": {"fewest_rows": 50, "history_days": 20},
        "tasks": {"click": {"label": "clicked", "primary": True, "attribution": "24h"}, "like": {"label": "liked"}},
    }
)
FIRST = datetime(2026, 1, 5, tzinfo=UTC)
FEATURES = ("member_total_exposures", "member_total_click_rate", "member_total_like_rate", "hour")


def joined(day: int, rows: int = 200, off: float = 1.0, spec: Spec = SPEC) -> pa.Table:
    """Rows served on the day with this number from ``FIRST`` on; a probability is ``off`` times the rate of clicks."""
    generator = np.random.default_rng(day)
    truth = generator.uniform(0.1, 0.4, rows)
    begin = microseconds(FIRST) + day * DAY
    whole = {
        "served": begin + np.sort(generator.integers(0, DAY, rows)),
        "slate": np.array([f"{day}-{one // 5}" for one in range(rows)]),
        "impression": np.array([f"{day}-{one // 5}/{one % 5}" for one in range(rows)]),
        **{"member": generator.integers(0, 90, rows), "item": generator.integers(0, 40, rows)},
        **{"surface": generator.choice(spec.impressions.surfaces, rows), "model_version": np.full(rows, "1")},
        **{"position": np.arange(rows) % 5, "stale": np.full(rows, ""), "score": truth, "latency": np.full(rows, 0.01)},
        **dict.fromkeys(("fallback", "member_cold", "item_cold"), np.zeros(rows, dtype=bool)),
        "probability_click": np.minimum(truth * off, 0.99),
        "label_click": (generator.random(rows) < truth) * 1.0,
        "probability_like": truth / 2,
        "label_like": (generator.random(rows) < truth / 2) * 1.0,
        **{name: generator.normal(size=rows) for name in FEATURES},
        "kind": generator.choice(["a", "b"], rows),
    }
    return pa.table(whole)


class FakeLog:
    """A served log by day (ISO-8601)."""

    def __init__(self, days: Mapping[int, pa.Table]) -> None:
        self.days = {(FIRST + timedelta(days=day)).date().isoformat(): table for day, table in days.items()}
        self.asked: list[str] = []
        """The days that were joined, in order."""
        self.ahead = 0
        """Rows of the log whose day is yet to come."""

    def join(self, first: int, last: int, folder: Path) -> dict[str, int]:
        day, end = (moment(one).date() for one in (first, last))
        pending = (end - day).days
        while day <= end:
            name = day.isoformat()
            self.asked.append(name)
            pq.write_table(self.days.get(name, joined(0).slice(0, 0)), folder / f"day={name}.parquet")
            day += timedelta(days=1)
        return {
            "served": 1,
            "ahead": self.ahead,
            "torn": 0,
            "orphan": 0,
            "duplicate": 0,
            "late": 0,
            "skewed": 0,
            "pending": pending,
        }


def noon(day: int) -> int:
    """Twelve o'clock of a day, microseconds UTC."""
    return microseconds(FIRST) + day * DAY + DAY // 2
