"""A spec's ``filter`` applied to a frame."""

import numpy as np
import pandas as pd

from models.spec.schema import Filter


def matches(frame: pd.DataFrame, kept: Filter) -> np.ndarray:
    """Which rows have, in every column of the filter, one of the values that are kept: (rows,) bool."""
    mask = np.ones(len(frame), dtype=bool)
    for column, values in kept.items():
        mask &= frame[column].isin(values).to_numpy()
    return mask
