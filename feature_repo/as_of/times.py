"""Time features of a training set, derived from the retrieved times of items and members."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from feature_repo.views.times import column_microseconds
from models.features import ages_since, time_features
from models.spec import Spec
from models.time_features import UNKNOWN, derive_time_features


def timed_as_of(spec: Spec, times: np.ndarray, found: Mapping[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
    """Every time feature of the rows, (rows,) by name; null where it is missing.

    ``times``: of the rows, (rows,) int64 microseconds UTC; ``found``: the features of their items and members as they
    were strictly before them.
    """
    since = {name: column_microseconds(found[name]).fill_null(UNKNOWN).to_numpy() for name in ages_since(spec)}
    derived = derive_time_features(spec, times, since)
    kinds = {"number": pa.float32(), "category": pa.string()}
    return {
        feature.name: pa.chunked_array([pa.array(derived[feature.name], kinds[feature.kind], from_pandas=True)])
        for feature in time_features(spec)
    }
