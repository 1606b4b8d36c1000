import pytest
import torch

from models.nn import age
from models.nn.age import age_features


def test_constants_are_made_once_per_device(monkeypatch: pytest.MonkeyPatch) -> None:
    ages = torch.tensor([[0.0, 60.0], [3600.0, 1e6]])
    expected = age_features(ages)
    monkeypatch.setattr(age, "_numbers", None)  # a call would fail
    assert torch.equal(age_features(ages), expected)


def test_the_last_axis_is_new_whatever_the_number_of_axes() -> None:
    ages = torch.rand(2, 3, 4) * 1e6
    found = age_features(ages)
    assert found.shape == (2, 3, 4, 10)
    torch.testing.assert_close(found[1, 2, 3], age_features(ages[1, 2, 3]))
