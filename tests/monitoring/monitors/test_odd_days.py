"""Whatever a day's table holds, it is summarized and judged, and the order of its rows changes nothing."""

import json
import math
from functools import cache

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.monitoring_faults.world import Served, World
from monitoring.days import DaySummary, summarize
from monitoring.monitors import judge
from monitoring.verdict import Verdict
from tests.monitoring.monitors.history import DAYS, SPEC, days

ROWS = 1_500
ODD = {
    "nulls": lambda column: pa.nulls(ROWS, column.type),
    "untyped nulls": lambda column: pa.nulls(ROWS),
    "one number": lambda column: np.full(ROWS, 5),
    "NaN": lambda column: np.full(ROWS, math.nan),
    "infinity": lambda column: np.full(ROWS, math.inf),
    "huge": lambda column: np.full(ROWS, 2**62),
    "negative": lambda column: -np.arange(ROWS),
    "text": lambda column: column.cast(pa.string()),
    "empty text": lambda column: [""] * ROWS,
    "gone": None,
}
COLUMNS = ["served", "slate", "member", "item", "surface", "model_version", "fallback", "stale", "latency", "item_rate"]
COLUMNS += ["seen_today", "country", "topic", "probability_click", "label_click", "happened_click", "label_engage"]
columns = st.dictionaries(st.sampled_from(COLUMNS), st.sampled_from(sorted(ODD)), max_size=4)


@cache
def served() -> Served:
    day = World(1000, 2000).day(DAYS - 1)
    return day._replace(table=day.table.slice(0, ROWS))


def odd(changes: dict[str, str]) -> pa.Table:
    table = served().table
    for name, kind in changes.items():
        place, change = table.column_names.index(name), ODD[kind]
        if change is None:
            table = table.remove_column(place)
        else:
            values = change(table[name])
            column = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
            table = table.set_column(place, name, column)
    return table


def judged(table: pa.Table) -> tuple[DaySummary, Verdict]:
    summary = summarize(SPEC, table, served().day, served().counts)
    return summary, judge(SPEC, summary, days()[:-1])


@settings(max_examples=15)
@given(columns, st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 150, ROWS]))
def test_an_odd_day_is_judged_alike_in_any_order(changes, seed, rows):
    table = odd(changes).slice(0, rows)
    order = np.random.default_rng(seed).permutation(rows)

    summary, verdict = judged(table)

    assert judged(table.take(order)) == (summary, verdict)
    json.dumps([summary.to_json(), verdict.to_json()], allow_nan=False)
    # An odd day among the quiet ones does no harm either.
    judge(SPEC, days()[-1], [*days()[:-2], summary, days()[3]])
