"""Frozen time: as of which time an impression's member state is read. The only place that decides it."""

import numpy as np
import pyarrow as pa

from models.graph.hashing import hash_keys
from models.spec import Spec
from models.spec.base import LONGEST_DAYS
from models.spec.schema import WINDOW_ORDER
from models.time_units import DAY


def frozen_time(spec: Spec, keys: pa.Array, time: np.ndarray, window: np.ndarray) -> np.ndarray:
    """The time strictly before which each impression's member is read in frozen state: (rows,) int64, at most ``time``.

    ``keys`` (rows,) integers or strings, ``time`` (rows,) int64 microseconds UTC, ``window`` (rows,) names.

    Evaluation rows (validate, gate, test) use their window's start, so that all rows of a member share one state, as
    within one ranking request. A train row uses a time within the last ``training.member_lag_days`` before it, not
    before the graph window, so that one model fits state of any such age. That time is a hash of the row's key:
    reproducible, and independent of member and outcome. A version valid from the frozen time itself counts, except for
    an impression at that very time.
    """
    frozen = np.zeros(len(time), np.int64)
    for name in WINDOW_ORDER:
        frozen[window == name] = spec.span(name).start
    train = window == "train"
    lag = round(min(spec.training.member_lag_days, LONGEST_DAYS) * DAY)
    longest = np.minimum(lag, time[train] - spec.span("graph").start)
    frozen[train] = time[train] - hash_keys(keys)[train] % (longest + 1)
    return np.minimum(frozen + 1, time)
