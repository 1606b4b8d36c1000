import torch

from models.nn.clock import local_clock
from models.time_units import HOUR


def test_the_clock_is_local() -> None:
    noon_on_a_sunday = torch.tensor([1_700_395_200_000_000])  # 2023-11-19 12:00 UTC
    assert [part.tolist() for part in local_clock(noon_on_a_sunday, 0)] == [[12], [6]]
    assert [part.tolist() for part in local_clock(noon_on_a_sunday, 13 * HOUR)] == [[1], [0]]
    assert [part.tolist() for part in local_clock(torch.tensor([-1]), 0)] == [[23], [2]]
