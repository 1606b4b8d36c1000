from dataclasses import replace

import torch

from models.nn.age import AGE_FEATURES, WINDOWS, age_features
from models.nn.matching import Matching
from tests.models.nn.batches import CONFIG

HOUR = 3600.0


def test_windows_hold_what_is_recent_and_rhythms_know_the_time_of_day() -> None:
    features = age_features(torch.tensor([60.0, 20 * HOUR, 24 * HOUR, 36 * HOUR, 7 * 24 * HOUR]))
    day = features[:, 3]
    assert day[0] > 0.99
    assert day[1] > day[2] > day[3] > day[4]
    assert (features[:, WINDOWS - 1] == 1).all()
    torch.testing.assert_close(features[2:, WINDOWS], torch.tensor([1.0, -1.0, 1.0]), atol=1e-3, rtol=0)
    assert features[4, WINDOWS + 1] > 0.999
    assert age_features(torch.zeros(0, 5)).shape == (0, 5, AGE_FEATURES)


def test_amounts_grow_with_the_number_of_activities_where_a_mean_would_not() -> None:
    torch.manual_seed(0)
    matching = Matching(CONFIG)
    member, item = (
        torch.randn(1, CONFIG.graph_tokens, CONFIG.width),
        torch.randn(1, 2, CONFIG.graph_tokens, CONFIG.width),
    )
    activities = torch.ones(1, CONFIG.activities, CONFIG.width)
    age = age_features(torch.full((1, CONFIG.activities), HOUR))
    few, many = (
        matching(member, activities, age, torch.arange(CONFIG.activities).expand(1, -1) < count, item)
        for count in (1, CONFIG.activities)
    )
    assert few.shape == many.shape == (1, 2, matching.outputs)
    assert many.sum() != few.sum()
    amounts = slice(-(matching.gates.out_features * (WINDOWS + 2)), -matching.gates.out_features * 2)
    assert (many[..., amounts] >= few[..., amounts]).all()
    assert (many[..., amounts] > few[..., amounts]).any()


def test_outputs_are_two_sums_a_window_two_rhythms_and_a_dot_product_per_pair_of_tokens() -> None:
    matching = Matching(replace(CONFIG, graph_tokens=3))
    assert matching.gates.out_features == 6
    assert matching.outputs == 6 * (2 * 7 + 2) + 3 * 3
