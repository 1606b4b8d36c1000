from dataclasses import replace

import torch

from models.nn.context import Context, pieces
from tests.models.nn.batches import CONFIG, World, shapes


def test_every_hour_weekday_and_surface_has_a_vector(world: World) -> None:
    """Two surfaces and the unknown one, 24 hours, 7 weekdays, two words of the device and the unknown one."""
    found = shapes(Context(CONFIG, world.ranker.encoding))
    assert found["surface.weight"] == (3, 8)
    assert found["hour.weight"] == (24, 8)
    assert found["weekday.weight"] == (7, 4)
    assert found["categories.tables.0.weight"] == (3, 16)


def test_columns_are_numbers_profiles_categories_and_the_moment(world: World) -> None:
    encoding = world.ranker.encoding
    moment = 8 + 8 + 4 + 10
    columns = 4 + 16 + moment  # two numbers with their flags, one category
    plain = Context(CONFIG, encoding)
    assert plain.crossed == columns
    assert plain.early[0].in_features == columns
    cut = Context(replace(CONFIG, pieces=3), encoding, profiles=5)
    assert cut.crossed == columns + 5
    assert cut.late[0].in_features == columns + 5 + 3 * (4 + 5)
    assert Context(replace(CONFIG, counters=False), encoding, profiles=5).crossed == 5 + moment
    assert shapes(plain.cross)["narrow.0.weight"] == (32, columns)


def test_pieces_of_one_number_follow_each_other() -> None:
    numbers = torch.tensor([0.0, 1.25])
    assert pieces(numbers, 2).tolist() == [1.0, 0.0, 1.0, 0.5]
    assert pieces(numbers.view(1, 1, 2), 2).shape == (1, 1, 4)
    assert pieces(torch.tensor([-2.5, 2.5]), 1).tolist() == [0.0, 1.0]
    assert pieces(torch.tensor([[7.0, 8.0]]), 0).shape == (1, 0)
