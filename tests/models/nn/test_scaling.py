import pytest
import torch

from models.nn.scaling import LIMIT, Scale, scale_numbers


@pytest.mark.parametrize(
    ("name", "values", "shape"),
    [
        ("member_all_exposures", [0.0, 3.0, 4.0], "log"),
        ("member_all_click_rate", [0.0, 0.5, 1.0], "logit"),
        ("income", [1.0, 2.0, 3.0, 1000.0], "log"),
        ("temperature", [-3.0, 2.0, 900.0], "plain"),
        ("height", [1.6, 1.7, 1.8], "plain"),
        ("share", [0.2, 0.4], "plain"),  # within 0 to 1, but no rate by its name
        ("click_rate", [0.5, 1.5], "plain"),
        ("click_rate", [-0.5, 0.5], "plain"),
        ("all_exposures", [-0.5, 900.0], "plain"),
        ("all_exposures", [5.0, 5.5], "log"),
        ("change", [-0.5, 0.0, 900.0], "plain"),
        ("even", [0.0, 2.0], "plain"),  # the deviation equals the mean
        ("uneven", [0.0, 1.0, 5.0], "log"),
    ],
)
def test_the_shape_follows_name_and_tail(name: str, values: list[float], shape: str) -> None:
    assert Scale.fit(name, torch.tensor(values)).shape == shape


def test_scaled_values_are_centred_bounded_and_keep_their_order() -> None:
    values = torch.rand(500).mul(8).exp()
    scaled = scale_numbers((Scale.fit("spend", values),), values.unsqueeze(1))[:, 0]
    assert scaled.mean().abs() < 0.05
    assert scaled.abs().max() <= LIMIT
    assert (scaled[values.argsort()].diff() >= 0).all()


@pytest.mark.parametrize("values", [[], [float("nan")], [2.0, 2.0], [float("inf"), 1.0]])
def test_nothing_to_fit_on_still_gives_finite_numbers(values: list[float]) -> None:
    scale = Scale.fit("x", torch.tensor(values))
    assert torch.isfinite(scale_numbers((scale,), torch.tensor([[-1e9], [0.0], [2.0], [1e9]]))).all()


def test_a_missing_number_is_zero_and_flagged() -> None:
    scale = Scale.fit("x", torch.tensor([1.0, 3.0]))
    found = scale_numbers((scale,), torch.tensor([[float("nan")], [3.0]]))
    assert found.tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert scale_numbers((), torch.zeros(4, 0)).shape == (4, 0)
    assert scale_numbers((scale,), torch.zeros(0, 1)).shape == (0, 2)


def test_without_values_or_spread_the_scale_is_one() -> None:
    assert Scale.fit("x", torch.tensor([float("nan"), float("inf")])) == Scale("x", "plain", 0.0, 1.0)
    assert Scale.fit("x", torch.tensor([2.0, 2.0])) == Scale("x", "plain", 2.0, 1.0)
    assert Scale.fit("x", torch.tensor([-0.25, 0.25])) == Scale("x", "plain", 0.0, 0.25)


def test_a_number_below_zero_counts_as_zero_under_a_logarithm() -> None:
    found = scale_numbers((Scale("x", "log", 1.0, 2.0),), torch.tensor([[-5.0], [0.0], [-0.5]]))
    assert found.tolist() == [[-0.5, 0.0]] * 3
