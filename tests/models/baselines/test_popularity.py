from dataclasses import replace

import numpy as np
import pytest
import torch

from models.baselines.popularity import Popularity, fit_popularity
from models.calibration import Calibration
from models.graph.schema import SampledTask
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


def test_where_negatives_are_sampled_only_positives_count_and_more_of_them_is_more_popular() -> None:
    graph = small_graph()
    schema = replace(graph.schema.seeds, sampled=(SampledTask("click", None),))
    sampled, rows = replace(graph, schema=replace(graph.schema, seeds=schema)), graph.seeds.rows("test")
    found = Popularity({"click": 5.0, "dwell": 5.0}, Calibration.none(["click", "dwell"])).predict(sampled, rows)
    plain = Popularity({"click": 5.0, "dwell": 5.0}, Calibration.none(["click", "dwell"])).predict(graph, rows)
    np.testing.assert_array_equal(found[:, 1], plain[:, 1])
    seeds, items = graph.seeds, graph.schema.node(graph.schema.seeds.item).count
    for row, probability in zip(rows.tolist(), found[:, 0].tolist(), strict=True):
        clicked = (seeds.settled < seeds.time[row]) & (seeds.labels[:, 0] == 1)
        own = int((clicked & (seeds.item == seeds.item[row]) & (seeds.item >= 0)).sum())
        assert probability == pytest.approx((own + 5 / (items + 1)) / (int(clicked.sum()) + 5))
