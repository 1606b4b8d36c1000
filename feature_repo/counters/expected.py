"""Expected outcomes of the impressions, and the snapshots that they come from (models/counters/snapshot.py)."""

from collections.abc import Iterator

import duckdb

from feature_repo.counters.impressions import SHOWN, expected_column, key_column, rate_column
from models.counters.plan import RatePlan
from models.counters.snapshot import MILLION, ResidualPlan, SnapshotPlan
from models.features import VALID_FROM
from models.midnights import midnights
from models.sql import identifier
from models.time_units import DAY

_CUTS = "cuts"


def add_expectations(connection: duckdb.DuckDBPyConnection, plan: ResidualPlan) -> None:
    """Create a table for each snapshot, and add to SHOWN each impression's expected outcomes, null where not booked."""
    first, last = connection.sql(f"SELECT min(time), greatest(max(time), max(settled)) FROM {SHOWN}").fetchall()[0]
    cuts = midnights(first - plan.delay - DAY, last + DAY, plan.zone) if first is not None else []
    connection.execute(f"CREATE TEMP TABLE {_CUTS} (cut BIGINT, visible BIGINT)")
    if cuts:
        rows = ", ".join(f"({cut}, {cut + plan.delay})" for cut in cuts)
        connection.execute(f"INSERT INTO {_CUTS} VALUES {rows}")
    for snapshot in plan.snapshots:
        connection.execute(f"CREATE TEMP TABLE {snapshot.name} AS {_snapshot(snapshot)}")
    connection.execute(f"CREATE TEMP TABLE expected AS {_expected(plan)}")
    connection.execute(f"DROP TABLE {SHOWN}")
    connection.execute(f"ALTER TABLE expected RENAME TO {SHOWN}")


def snapshot_rows(plan: ResidualPlan, snapshot: SnapshotPlan) -> str:
    """SQL for the rows of a snapshot's table: keys, when it is visible, and lists over the last cuts.

    A snapshot that is visible only after the newest impression is left out: its day may lack outcomes.
    """
    keys = _keys(snapshot)
    named = [f"{key} AS {identifier(name)}" for key, name in zip(keys, snapshot.keys, strict=True)]
    lists = [f"list({identifier(s)}) OVER last AS {identifier(f'{snapshot.name}_{s}')}" for s in _columns(snapshot)]
    selected = ", ".join([*named, f"visible AS {VALID_FROM}", *lists])
    window = f"({_partition(keys)}ORDER BY cut ROWS {plan.within + 1} PRECEDING)"
    return (
        f"SELECT {selected} FROM {snapshot.name} JOIN {_CUTS} USING (cut) "
        f"WHERE visible <= (SELECT max(time) FROM {SHOWN}) WINDOW last AS {window} "
        f"ORDER BY {', '.join(['visible', *keys])}"
    )


def _snapshot(snapshot: SnapshotPlan) -> str:
    """SQL for a key's counts at every cut at which they had changed; without a key at every cut."""
    keys = _keys(snapshot)
    selected = [f"{identifier(key_column(c))} AS {key}" for c, key in zip(snapshot.columns, keys, strict=True)]
    counts = dict(zip(snapshot.statistics, _counts(snapshot), strict=True))
    sums = [f"CAST(sum({value}) AS BIGINT) AS {identifier(name)}" for name, value in counts.items()]
    added = (
        f"SELECT {', '.join([*selected, 'cut', *sums])} FROM {SHOWN} "
        f"ASOF JOIN {_CUTS} ON {SHOWN}.settled < {_CUTS}.cut GROUP BY ALL"
    )
    if not keys:
        zeros = [f"coalesce({identifier(name)}, 0) AS {identifier(name)}" for name in counts]
        added = f"SELECT cut, {', '.join(zeros)} FROM {_CUTS} LEFT JOIN ({added}) USING (cut)"
    running = [f"CAST(sum({identifier(name)}) OVER up_to AS BIGINT) AS {identifier(name)}" for name in counts]
    window = f"({_partition(keys)}ORDER BY cut ROWS UNBOUNDED PRECEDING)"
    return f"SELECT {', '.join([*keys, 'cut', *running])} FROM ({added}) WINDOW up_to AS {window}"


def _expected(plan: ResidualPlan) -> str:
    """SQL for SHOWN with its expected outcomes."""
    joins = f"FROM {SHOWN} AS rows ASOF LEFT JOIN {_CUTS} ON rows.time > {_CUTS}.visible"
    joined = f"SELECT rows.*, {_CUTS}.cut AS wanted {joins}"
    tables = ""
    for place, snapshot in enumerate(plan.snapshots):
        same = [
            f"rows.{identifier(key_column(column))} = s{place}.{key}"
            for column, key in zip(snapshot.columns, _keys(snapshot), strict=True)
        ]
        conditions = " AND ".join([*same, f"rows.wanted >= s{place}.cut"])
        tables += f" ASOF LEFT JOIN {snapshot.name} AS s{place} ON {conditions}"
    booked = f"rows.settled - rows.time <= {plan.within * DAY}"
    values = [
        f"CASE WHEN {booked} THEN {_of_rate(plan, rate)} END AS {identifier(expected_column(rate.name))}"
        for rate in plan.snapshots[-1].rates
    ]
    return f"SELECT rows.* EXCLUDE (wanted), {', '.join(values)} FROM ({joined}) AS rows{tables}"


def _of_rate(plan: ResidualPlan, rate: RatePlan) -> str:
    """The expected outcome of a rate in millionths; null without any outcome."""

    def count(place: int, part: str) -> str:
        return f"CAST(coalesce(s{place}.{identifier(f'{rate.name}_{part}')}, 0) AS HUGEINT)"

    overall = f"({count(2, 'sum')} * {MILLION} // ({rate.scale} * nullif({count(2, 'of')}, 0)))"
    rates = [
        f"({count(place, 'sum')} * {MILLION} + {plan.smoothing * rate.scale} * {overall}) "
        f"// ({rate.scale} * ({count(place, 'of')} + {plan.smoothing}))"
        for place in (0, 1)
    ]
    # least and greatest ignore nulls.
    value = f"{rates[0]} + {rates[1]} - {overall}"
    return f"CASE WHEN {count(2, 'of')} > 0 THEN CAST(least(greatest({value}, 0), {MILLION}) AS BIGINT) END"


def _counts(snapshot: SnapshotPlan) -> Iterator[str]:
    for rate in snapshot.rates:
        value = identifier(rate_column(rate.name))
        yield f"greatest({value}, 0)"
        yield f"CAST({value} >= 0 AS INTEGER)"


def _columns(snapshot: SnapshotPlan) -> list[str]:
    return ["cut", *snapshot.statistics]


def _keys(snapshot: SnapshotPlan) -> list[str]:
    return [f"k{number}" for number in range(len(snapshot.keys))]


def _partition(keys: list[str]) -> str:
    return f"PARTITION BY {', '.join(keys)} " if keys else ""
