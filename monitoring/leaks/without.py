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
    """Scores (rows,) of the rows with a label, NaN elsewhere, by trees on ``names``, surface and popularity.

    Both classes are among the train rows with a label.
    """
    import lightgbm

    known = ~np.isnan(labels)
    learn = rows.train & known
    learn &= np.cumsum(learn[::-1])[::-1] <= _MOST_ROWS  # the last ones
    beside = np.column_stack([*rows.surfaces.values(), *rows.popularity.values()]).astype(np.float64)
    coded = [place for place, name in enumerate(names) if name in rows.categories]
    data = lightgbm.Dataset(
        np.hstack([matrix(rows, names, learn), beside[learn]]), labels[learn], categorical_feature=coded
    )
    threads = min(usable_cpus(), 1 + len(labels) // 20_000)
    fitted = lightgbm.train({**_PARAMETERS, "num_threads": threads}, data, _ROUNDS)
    found = np.full(len(labels), np.nan)
    found[known] = np.asarray(fitted.predict(np.hstack([matrix(rows, names, known), beside[known]])))
    return found
