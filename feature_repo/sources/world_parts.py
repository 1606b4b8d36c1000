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
from models.time_units import DAY


def write_parts(spec: Spec, tables: Mapping[str, pd.DataFrame], folder: Path, first: date, until: date) -> list[Path]:
    """Write ``<table>/<day>.parquet`` for every day from ``first`` to ``until``, both included; return the new files.

    ``tables``: of the whole world, as the adapter returns them. Rows from before ``first`` are in its part. A part that
    is there is left as it is.
    """
    written: list[Path] = []
    arrived = {name: _arrival(frame) for name, frame in tables.items() if name != _oracle(spec)}
    if spec.oracle is not None:
        arrived[spec.oracle.table] = _of_oracle(spec, tables, arrived[spec.impressions.table])
    for name, times in arrived.items():
        day = np.maximum((times - spec.midnight(first)) // DAY, 0)
        for number in range((until - first).days + 1):
            path = folder / name / f"{first + timedelta(days=number)}.parquet"
            if not path.exists():
                with replaced_file(path) as draft:
                    tables[name][day == number].to_parquet(draft, index=False)
                written.append(path)
    return written


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
