"""The floor's trees survive a file."""

import numpy as np

from benchmarks.studies.online.stored_floor import read_floor, write_floor
from models.baselines.trees import fit_floor
from tests.models.baselines.test_trees import SPEC, frame


def test_read_is_what_was_written(tmp_path):
    given = frame(SPEC)
    given[SPEC.tasks["engage"].label] = 0  # one class: a rate instead of trees
    floor = fit_floor(given, SPEC, threads=1)
    write_floor(floor, tmp_path / "floor.json")
    found = read_floor(SPEC, tmp_path / "floor.json").predict(given)
    for task, values in floor.predict(given).items():
        np.testing.assert_allclose(found[task], values)
