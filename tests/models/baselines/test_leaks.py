"""No baseline sees the future: what happens at or after a row, its own outcome first of all, changes no input of it."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.baselines.popularity import Popularity
from models.baselines.sage import SageRanker, start_of_day
from models.calibration import Calibration
from models.configs.model import ModelConfig
from models.graph.fakes import DAY, HOUR, START
from models.graph.store import TemporalGraph
from models.nn.encoded import encode_graph
from models.nn.encoding import Encoding
from models.training.seed_values import SeedValues
from tests.models.baselines.small import NETWORKS, batch_of, ended_at, logits, small_graph, untrained

whole_graph = cache(small_graph)
"""Shared: read only."""
MOMENT = st.integers(10 * 24, 22 * 24).map(lambda hour: START + hour * HOUR) | st.sampled_from(
    [START + day * DAY for day in range(11, 20)]
)
"""Whole hours of the windows with seeds, and midnights: there are rows, edges, versions at these very moments."""
ready = cache(lambda name: untrained(name, whole_graph()))


def until(moment: int, days: int = 4) -> torch.Tensor:
    """The rows of the last days up to and at the moment."""
    time = whole_graph().seeds.time
    return torch.nonzero((time <= moment) & (time > moment - days * DAY)).flatten()


@pytest.mark.parametrize("name", NETWORKS)
@settings(deadline=None, max_examples=8)
@given(moment=MOMENT)
def test_the_future_and_a_row_s_own_outcome_change_no_score(name: str, moment: int) -> None:
    network, encoding = ready(name)
    rows, cut = until(moment), ended_at(whole_graph(), moment)
    for state in ("as_of", "frozen"):
        whole = logits(network, encoding, whole_graph(), rows, state)  # type: ignore[arg-type]
        torch.testing.assert_close(logits(network, encoding, cut, rows, state), whole, rtol=0, atol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_past_does_change_scores(name: str) -> None:
    network, encoding = ready(name)
    moment = whole_graph().schema.window("validate").start
    rows = until(moment)
    lost = logits(network, encoding, ended_at(whole_graph(), moment - 6 * DAY), rows, "as_of")
    assert (lost - logits(network, encoding, whole_graph(), rows, "as_of")).abs().max() > 1e-3


@settings(deadline=None, max_examples=8)
@given(moment=MOMENT)
def test_trees_and_popularity_see_no_future(moment: int) -> None:
    rows, cut = until(moment), ended_at(whole_graph(), moment)
    encoding = Encoding.fit(whole_graph(), whole_graph().schema.window("train").end)
    for state in ("as_of", "frozen"):
        found, expected = (
            SeedValues(ModelConfig(), graph.schema, encoding, graph).of(rows, state)  # type: ignore[arg-type]
            for graph in (cut, whole_graph())
        )
        np.testing.assert_array_equal(found, expected)
    popularity = Popularity({"click": 5.0, "dwell": 5.0}, Calibration.none(["click", "dwell"]))
    assert (popularity.predict(cut, rows) == popularity.predict(whole_graph(), rows)).all()


def branches(graph: TemporalGraph, rows: torch.Tensor) -> list[torch.Tensor]:
    """What GraphSAGE's trees hold of the first hop."""
    network, encoding = ready("sage")
    assert isinstance(network, SageRanker)
    encoded = encode_graph(encoding, graph.schema, graph)
    found = network.trees(encoded, batch_of(encoded, network, rows))
    return [part for tree in found for b in tree.branches.values() for part in (b.index, b.mask, b.edge_time)]


@settings(deadline=None, max_examples=8)
@given(moment=MOMENT)
def test_the_static_graph_of_a_day_ends_at_its_midnight(moment: int) -> None:
    offset = whole_graph().schema.seeds.timezone_offset
    midnight = int(start_of_day(torch.tensor([moment]), offset))
    assert midnight <= moment < midnight + DAY
    assert (midnight + offset) % DAY == 0
    time = whole_graph().seeds.time
    rows = torch.nonzero((time >= midnight) & (time < midnight + DAY)).flatten()
    for found, expected in zip(
        branches(ended_at(whole_graph(), midnight), rows), branches(whole_graph(), rows), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
