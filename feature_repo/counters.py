"""Day-old counters: how often a key was shown, and how often each task's label followed, as of each local midnight.

A row holds what had settled strictly before its midnight and is valid from then on. Rows stand only where the counts
changed (a settled exposure came in, or left a windowed counter): between two rows the earlier one holds.
"""

import logging
from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd

from models.features import counter_keys
from models.filters import mask
from models.spec import Counter, Spec
from models.spec.schema import WINDOW_ORDER

log = logging.getLogger(__name__)


def count(spec: Spec, tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Compute every counter of the spec from the impressions; one frame a counter, by the counter's name.

    Columns: the keys, ``valid_from`` (a midnight in the spec's zone, from the start of the graph window to the end of
    the test window, or to the last midnight of the data where they go on), ``<counter>_exposures`` (int64) and
    ``<counter>_<task>_rate`` (float32; NaN where nothing at all of the task had settled). Sorted by ``valid_from`` and
    keys.
    """
    shown = tables[spec.impressions.table]
    frames = {}
    for name, counter in spec.counters.items():
        frames[name] = _count_one(spec, name, counter, shown)
        log.info("counter %s: %d rows", name, len(frames[name]))
    return frames


def rate(positives: np.ndarray, exposures: np.ndarray, overall: np.ndarray, smoothing: float) -> np.ndarray:
    """The one rate function: ``(positives + smoothing * overall) / (exposures + smoothing)``, float32.

    ``overall`` is the rate of the task over all of the counter's rows as of the same midnight.
    """
    return ((positives + smoothing * overall) / (exposures + smoothing)).astype(np.float32)


def _count_one(spec: Spec, name: str, counter: Counter, shown: pd.DataFrame) -> pd.DataFrame:
    changes, midnights = _changes(spec, name, counter, shown)
    keys = counter_keys(spec, name)
    sums = [column for column in changes.columns if column not in (*keys, "day")]
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("changes", changes)
        state = connection.execute(_running_sums(keys, sums)).df()
        overall = connection.execute(_running_sums([], sums)).df().set_index("day")
    # Overall counts hold from one change to the next, as a key's do; every day of a key's change is also one of theirs.
    overall = overall.reindex(state["day"]).reset_index(drop=True)
    frame = state[keys].copy()
    frame["valid_from"] = pd.to_datetime(midnights[state["day"].to_numpy()], unit="us", utc=True).astype(
        "datetime64[us, UTC]"
    )
    frame[f"{name}_exposures"] = state["exposures"]
    for task in spec.tasks:
        positives, exposures = f"{task}_positives", f"{task}_exposures"
        total = overall[exposures].to_numpy(dtype=np.float64)
        everywhere = np.divide(overall[positives], total, out=np.full(len(total), np.nan), where=total > 0)
        frame[f"{name}_{task}_rate"] = rate(
            state[positives].to_numpy(), state[exposures].to_numpy(), everywhere, counter.smoothing
        )
    return frame


def _changes(spec: Spec, name: str, counter: Counter, shown: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """What each row adds to its key's counts on the day it comes in, and takes away on the day it leaves.

    Returns (the changes: keys, day, exposures and two sums a task; the midnights in microseconds UTC, by day).
    """
    days = list(_days(spec, shown[spec.impressions.settled].max()))
    midnights = np.array([spec.midnight(day) for day in days], dtype=np.int64)
    rows = shown[mask(shown, counter.filter)]
    settled = rows[spec.impressions.settled].astype("int64").to_numpy()
    first = np.searchsorted(midnights, settled, side="right")  # the first midnight strictly after
    last = np.full(len(rows), len(days))
    if counter.window_days is not None:
        starts = [spec.midnight(day - timedelta(days=counter.window_days)) for day in days]
        last = np.searchsorted(np.array(starts, dtype=np.int64), settled, side="right")
    columns = {
        "member": spec.impressions.member.column,
        "item": spec.impressions.item.column,
        "surface": spec.impressions.surface,
    }
    names = dict(zip(counter.keys, counter_keys(spec, name), strict=True))
    added = pd.DataFrame({names[role]: rows[columns[role]].to_numpy() for role in counter.keys})
    added["exposures"] = 1
    for task_name, task in spec.tasks.items():
        defined = mask(rows, task.filter)
        added[f"{task_name}_exposures"] = defined.astype(np.int64)
        added[f"{task_name}_positives"] = (defined & (rows[task.label].to_numpy() == 1)).astype(np.int64)
    sums = added.columns.difference(list(names.values()))
    taken = added.copy()
    taken[sums] = -taken[sums]
    seen = first < last
    entering = added.assign(day=first)[seen & (first < len(days))]
    leaving = taken.assign(day=last)[seen & (last < len(days))]
    return pd.concat([entering, leaving], ignore_index=True), midnights


def _running_sums(keys: list[str], sums: list[str]) -> str:
    """One row per key and day of change, with the sums of everything up to that day (integers: exact)."""
    by = "".join(f'"{key}", ' for key in keys)
    daily = ", ".join(f'sum("{column}") as "{column}"' for column in sums)
    window = f"partition by {by.rstrip(', ')} order by day" if keys else "order by day"
    running = ", ".join(f'cast(sum("{column}") over ({window}) as bigint) as "{column}"' for column in sums)
    return (
        f"with daily as (select {by}day, {daily} from changes group by all) "
        f"select {by}day, {running} from daily order by {', '.join(['day', *(f'{chr(34)}{k}{chr(34)}' for k in keys)])}"
    )


def _days(spec: Spec, last: pd.Timestamp) -> Iterator[date]:
    """The days whose midnights count: from the start of the graph window to the end of the test window, included.

    Where the data go on until ``last`` (NaT = there are none), so do the days: no midnight is after all of the data.
    """
    length = sum(spec.windows.window(name).days for name in WINDOW_ORDER)
    if not pd.isna(last):
        length = max(length, (last.tz_convert(spec.zone).date() - spec.windows.start).days)
    for number in range(length + 1):
        yield spec.windows.start + timedelta(days=number)
