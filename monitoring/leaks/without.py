"""What the other columns say without one of them: small trees, fitted on train, scored on validate."""

from collections.abc import Sequence

import numpy as np

from models.cpus import usable_cpus
from monitoring.leaks.rows import Rows, matrix

_ROUNDS = 60
_MOST_ROWS = 50_000
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 50,
    "max_bin": 63,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 7,
}


def scores_of(rows: Rows, names: Sequence[str], labels: np.ndarray) -> np.ndarray:
    """Scores (n,) of the n validate rows with a label, by trees on the columns ``names``.

    Both classes are among the train rows with a label. Without columns: one score for all.
    """
    import lightgbm

    learn, held = rows.train & ~np.isnan(labels), ~rows.train & ~np.isnan(labels)
    if not names:
        return np.zeros(int(held.sum()))
    learn &= np.cumsum(learn[::-1])[::-1] <= _MOST_ROWS  # the last ones
    coded = [place for place, name in enumerate(names) if name in rows.categories]
    data = lightgbm.Dataset(matrix(rows, names, learn), labels[learn], categorical_feature=coded)
    fitted = lightgbm.train(
        {**_PARAMETERS, "num_threads": min(usable_cpus(), 1 + len(labels) // 20_000)}, data, _ROUNDS
    )
    return np.asarray(fitted.predict(matrix(rows, names, held)))
