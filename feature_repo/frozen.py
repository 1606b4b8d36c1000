"""As of which moment the member's state is frozen: the one place that decides it."""

import numpy as np
import pyarrow as pa

from models.graph.hashing import hash_keys
from models.spec import Spec
from models.spec.base import LONGEST_DAYS
from models.spec.schema import WINDOW_ORDER

_DAY = 86_400_000_000


def frozen_time(spec: Spec, keys: pa.Array, time: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Strictly before which moment each impression's member is read in frozen state: (rows,) int64, at most its time.

    ``keys`` (rows,) integers or strings, ``time`` (rows,) int64 microseconds, ``window`` (rows,) names.

    A row to evaluate: its window's start, so that a member's rows share one state, as one ranking request has it. A row
    to train on: anywhere in the last ``training.member_lag_days`` before it, but not before the graph window, so that
    one model holds for state of any such age. The moment is a hash of the row's key: the same in every run, and nothing
    of the member or the outcome is in it. A version that is valid from the moment itself counts, except for an
    impression at that very moment.
    """
    moment = np.zeros(len(time), np.int64)
    for name in WINDOW_ORDER:
        moment[window == name] = spec.span(name).start
    train = window == "train"
    lag = round(min(spec.training.member_lag_days, LONGEST_DAYS) * _DAY)
    longest = np.minimum(lag, time[train] - spec.span("graph").start)
    moment[train] = time[train] - hash_keys(keys)[train] % (longest + 1)
    return np.minimum(moment + 1, time)
