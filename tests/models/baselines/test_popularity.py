import numpy as np
import torch

from models.baselines.popularity import Popularity, fit_popularity
from models.calibration import Calibration
from tests.models.baselines.small import TRAINING, small_graph


def test_the_rate_is_that_of_what_had_settled() -> None:
    graph = small_graph()
    seeds, rows = graph.seeds, torch.arange(len(graph.seeds))
    weights = {"click": 5.0, "dwell": 20.0}
    found = Popularity(weights, Calibration.none(list(weights))).predict(graph, rows)
    for row in rows.tolist():
        for place, weight in enumerate(weights.values()):
            settled = (seeds.settled < seeds.time[row]) & ~torch.isnan(seeds.labels[:, place])
            overall = (seeds.labels[settled, place].sum() + 0.5) / (settled.sum() + 1)
            own = settled & (seeds.item == seeds.item[row]) & (seeds.item >= 0)
            rate = (seeds.labels[own, place].sum() + weight * overall) / (own.sum() + weight)
            np.testing.assert_allclose(found[row, place], float(rate), rtol=1e-5)


def test_the_smoothing_is_chosen_on_validate_and_the_state_is_all_one() -> None:
    graph = small_graph()
    fitted = fit_popularity(graph, TRAINING, torch.device("cpu"))
    rows = graph.seeds.rows("test")
    assert list(fitted.smoothing) == list(fitted.calibration.tasks) == ["click", "dwell"]
    np.testing.assert_array_equal(fitted.predict(graph, rows), fitted.predict(graph, rows, "frozen"))
