"""Time features of a training set, derived from the retrieved times of items and members."""

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow as pa

from feature_repo.views.times import column_microseconds
from models.features import ages_since, time_features
from models.spec import Spec
from models.time_features import UNKNOWN, derive_time_features


def timed_as_of(
    spec: Spec, times: np.ndarray, found: Mapping[str, pa.ChunkedArray], names: Collection[str] | None = None
) -> dict[str, pa.ChunkedArray]:
    """The time features ``names`` of the rows (None = all), (rows,) by name; null where it is missing.

    ``times``: of the rows, (rows,) int64 microseconds UTC; ``found``: the features of their items and members as they
    were strictly before them, as far as ``names`` need them.
    """
    known = [name for name in ages_since(spec) if names is None or name in found]
    since = {name: column_microseconds(found[name]).fill_null(UNKNOWN).to_numpy() for name in known}
    since = {**dict.fromkeys(ages_since(spec), np.full(len(times), UNKNOWN)), **since}
    derived = derive_time_features(spec, times, since)
    kinds = {"number": pa.float32(), "category": pa.string()}
    return {
        feature.name: pa.chunked_array([pa.array(derived[feature.name], kinds[feature.kind], from_pandas=True)])
        for feature in time_features(spec)
        if names is None or feature.name in names
    }
