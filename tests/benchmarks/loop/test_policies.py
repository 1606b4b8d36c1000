"""What other policies would have earned on the same sessions."""

import numpy as np
import pytest

from benchmarks.loop.policies import Popularity, probabilities_of
from feature_repo.sources.world.live_sessions import NOBODY


def test_each_policy_has_the_probability_of_what_it_shows():
    candidates = np.array([[2, 0, 1], [1, 2, NOBODY]])
    probability = np.array([[0.1, 0.2, 0.6], [0.3, 0.5, np.nan]])
    found = probabilities_of(candidates, probability, np.array([0, 1]), popularity=np.array([0.2, 0.1, 0.3, 0.9]))
    assert {name: values.tolist() for name, values in found.items()} == {
        "ranker": [0.2, 0.3],
        "popularity": [0.1, 0.5],
        "random": pytest.approx([0.3, 0.4]),
        "oracle": [0.6, 0.5],
    }


def test_popularity_counts_what_has_settled():
    rates = Popularity(np.array([0, 0, 1]), np.zeros(3), np.zeros(3))
    rates.add(np.array([0, 0, 1, 2]), np.array([1, 1, 0, 1]), np.array([5, 5, 5, 50]))
    early, late = rates.scores(10), rates.scores(60)
    assert early[0] > early[1] > early[2] == 0.0
    assert late[2] == pytest.approx(1.0)
    np.testing.assert_array_equal(late[:2], early[:2])
