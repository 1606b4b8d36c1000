"""Parts of a simulated world, one a day, as a company's logs grow: each has the rows that arrived on that day.

A row arrives when it is complete: an impression once its outcome is settled, so that the last impressions of a day
arrive on the next one.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from models.files import replaced_file
from models.spec import Spec


def write_parts(spec: Spec, tables: Mapping[str, pd.DataFrame], folder: Path, first: date, until: date) -> list[Path]:
    """Write ``<table>/<day>.parquet`` for every day from ``first`` to ``until``, both included; return the new files.

    ``tables``: of the whole world, as the adapter returns them. Rows from before ``first`` are in its part. A part that
    is there is left as it is.
    """
    written: list[Path] = []
    arrived = arrivals(spec, tables)
    for number in range((until - first).days + 1):
        day = first + timedelta(days=number)
        begin = spec.midnight(day) if number else None
        written += write_part(tables, arrived, folder, day.isoformat(), begin, spec.midnight(day + timedelta(days=1)))
    return written


def write_part(
    tables: Mapping[str, pd.DataFrame],
    arrived: Mapping[str, np.ndarray],
    folder: Path,
    name: str,
    begin: int | None,
    end: int,
) -> list[Path]:
    """Write ``<table>/<name>.parquet`` with the rows that arrived from ``begin`` (None = ever) to before ``end``.

    Returns the new files: one that is there is left as it is. ``arrived``: by table (rows,), as ``arrivals`` gives it.
    """
    written: list[Path] = []
    for table, times in arrived.items():
        path = folder / table / f"{name}.parquet"
        if not path.exists():
            there = times < end if begin is None else (times >= begin) & (times < end)
            with replaced_file(path) as draft:
                tables[table][there].to_parquet(draft, index=False)
            written.append(path)
    return written


def arrivals(spec: Spec, tables: Mapping[str, pd.DataFrame]) -> dict[str, np.ndarray]:
    """When each row of each table is complete: (rows,) int64 microseconds UTC."""
    arrived = {name: _arrival(frame) for name, frame in tables.items() if name != _oracle(spec)}
    if spec.oracle is not None:
        arrived[spec.oracle.table] = _of_oracle(spec, tables, arrived[spec.impressions.table])
    return arrived


def _arrival(frame: pd.DataFrame) -> np.ndarray:
    """When each row is complete: (rows,) int64 microseconds UTC, its latest time; the smallest int64 without times."""
    times = [frame[column] for column in frame if isinstance(frame[column].dtype, pd.DatetimeTZDtype)]
    if not times:
        return np.full(len(frame), np.iinfo(np.int64).min)
    return np.max([time.dt.as_unit("us").astype("int64").to_numpy() for time in times], axis=0)


def _oracle(spec: Spec) -> str:
    return spec.oracle.table if spec.oracle is not None else ""


def _of_oracle(spec: Spec, tables: Mapping[str, pd.DataFrame], impressions: np.ndarray) -> np.ndarray:
    """A true probability arrives with its impression."""
    key = spec.impressions.key
    by_key = pd.Series(impressions, index=tables[spec.impressions.table][key])
    return by_key.loc[tables[_oracle(spec)][key]].to_numpy()
