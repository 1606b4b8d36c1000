"""``Sample``: impressions of a target surface, with the vectors of their members and items as of a cut."""

from typing import NamedTuple

import numpy as np

TRAIN, VALIDATE, TEST = 0, 1, 2


class Vectors(NamedTuple):
    """Vectors out of one source, and which of them each row reads."""

    values: np.ndarray
    """(v, d) float32: a vector for each key and cut."""
    fitted: np.ndarray
    """(f,) int64: the vectors of the cut before the train window, which the quantizer is fitted to."""
    row: np.ndarray
    """(n,) int64: the vector that a row reads; -1 = its key has none yet."""
    key: np.ndarray
    """(v,) int64: whose vector it is."""


class Sample(NamedTuple):
    """n impressions with everything that is known strictly before each."""

    name: str
    about: str
    """What source and target are, for the page."""
    label: np.ndarray
    """(n,) float64: 0 or 1."""
    user: np.ndarray
    """(n,) int64."""
    window: np.ndarray
    """(n,) int64: TRAIN, VALIDATE or TEST."""
    numbers: np.ndarray
    """(n, F) float32, NaN = missing: counters of the target, content of the item, hour."""
    categories: np.ndarray
    """(n, K) int64 from 0."""
    profile_numbers: np.ndarray
    """(n, P) float32: what the member's profile says."""
    profile_categories: np.ndarray
    """(n, Q) int64."""
    vectors: dict[str, Vectors]
    """By side: member, and item where the source knows the target's items."""
    target_events: np.ndarray
    """(n,) int64: clicks of the member on the target that settled before."""
    source_events: np.ndarray
    """(n,) int64: events of the member in the source before the cut that the row reads."""


def codes_of(*columns: np.ndarray) -> np.ndarray:
    """Each column (n,) as its values' places: (n, columns) int64."""
    found = [np.unique(column.astype(str), return_inverse=True)[1] for column in columns]
    return np.stack(found, axis=1).astype(np.int64)
