import subprocess
import sys

import numpy as np
import pytest

from models.baselines.errors import BaselineError
from models.baselines.fit import BASELINES, fit_baseline
from tests.models.baselines.small import TRAINING, small_graph


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_fits_and_scores_both_states_and_nothing(name: str) -> None:
    graph = small_graph()
    rows = graph.seeds.rows("test")
    fitted = fit_baseline(name, graph, TRAINING, "cpu")
    found, frozen = fitted.predict(graph, rows), fitted.predict(graph, rows, "frozen")
    assert found.shape == frozen.shape == (len(rows), 2)
    assert found.dtype == np.float64
    assert ((found > 0) & (found < 1)).all()
    assert fitted.predict(graph, rows[:0]).shape == (0, 2)
    again = fit_baseline(name, graph, TRAINING, "cpu")
    np.testing.assert_array_equal(again.predict(graph, rows, "frozen"), frozen)


def test_the_frozen_state_is_another() -> None:
    graph = small_graph()
    rows = graph.seeds.rows("test")
    fitted = fit_baseline("dcn", graph, TRAINING, "cpu")
    assert (fitted.predict(graph, rows) != fitted.predict(graph, rows, "frozen")).any()


def test_what_is_no_baseline_is_named() -> None:
    with pytest.raises(BaselineError, match="popularity, trees, dcn, transformer, sage, hgt; found 'gcn'"):
        fit_baseline("gcn", small_graph(), TRAINING)


def test_networks_need_only_what_a_gpu_image_holds() -> None:
    code = "import models.baselines.fit, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pydantic", "duckdb", "pyspark", "feast", "kfp", "lightgbm", "sklearn"} & set(loaded)
