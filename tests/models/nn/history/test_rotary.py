import torch

from models.nn.history.rotary import Rotary, rotate


def test_a_pair_of_components_is_turned_by_its_angle() -> None:
    rotary, parts = Rotary(6, 9), torch.randn(2, 3, 4, 6)
    place = torch.randint(10, (2, 3))
    pairs = torch.complex(parts[..., :3].double(), parts[..., 3:].double())
    angle = place[:, :, None, None] * 10_000.0 ** (-torch.arange(3, dtype=torch.float64) / 3)
    turned = pairs * torch.polar(torch.ones_like(angle), angle)
    expected = torch.cat([turned.real, turned.imag], dim=-1).float()
    torch.testing.assert_close(rotate(parts, rotary(place)), expected)


def test_products_depend_on_the_distance_of_places() -> None:
    rotary = Rotary(8, 1000)
    query, key = torch.randn(1, 1, 1, 8), torch.randn(1, 1, 1, 8)

    def product(one: int, other: int) -> float:
        first, second = rotary(torch.tensor([[one]])), rotary(torch.tensor([[other]]))
        return float((rotate(query, first) * rotate(key, second)).sum())

    assert abs(product(3, 10) - product(903, 910)) < 1e-4
    assert abs(product(3, 10) - product(3, 11)) > 1e-4


def test_half_precision_keeps_its_type() -> None:
    parts = torch.randn(1, 2, 1, 4).bfloat16()
    assert rotate(parts, Rotary(4, 5)(torch.tensor([[0, 5]]))).dtype == torch.bfloat16


def test_without_a_turn_nothing_is_turned() -> None:
    parts = torch.randn(1, 2, 1, 4)
    assert rotate(parts, None) is parts
