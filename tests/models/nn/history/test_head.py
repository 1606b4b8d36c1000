import pytest
import torch

from models.nn.history.head import LateHead

B, C, W, F, T = 3, 4, 8, 5, 2


def head(**change: object) -> LateHead:
    torch.manual_seed(0)
    return LateHead(W, F, T, hidden=6, **change).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{}, {"experts": 3}, {"cross_layers": 0}, {"linear": True}, {"dropout": 0.5}], ids=str
)
def test_logits_read_outputs_and_features_and_all_weights_are_used(change: dict[str, object]) -> None:
    made, outputs, features = (
        head(**change),
        torch.randn(B, C, W).requires_grad_(),
        torch.randn(B, C, F).requires_grad_(),
    )
    logits = made(outputs, features)
    assert logits.shape == (B, C, T)
    logits.square().sum().backward()
    assert outputs.grad.abs().sum() > 0
    assert features.grad.abs().sum() > 0
    assert all(weight.grad is not None for weight in made.parameters())


def test_linear_is_one_linear_layer() -> None:
    made, outputs, features = head(linear=True), torch.randn(B, C, W), torch.randn(B, C, F)
    assert len(list(made.parameters())) == 2
    torch.testing.assert_close(made(outputs, features), made.direct(torch.cat([outputs, features], dim=-1)))


def test_the_cross_network_multiplies_features_with_outputs() -> None:
    made, outputs, features = head(), torch.randn(B, C, W), torch.randn(B, C, F)
    made.tasks.weight.data.zero_()
    zero = torch.zeros_like
    joint = (
        made(outputs, features)
        - made(zero(outputs), features)
        - made(outputs, zero(features))
        + made(zero(outputs), zero(features))
    )
    assert joint.abs().max() > 1e-3


def test_a_candidate_is_scored_alone() -> None:
    made, outputs, features = head(experts=2), torch.randn(B, C, W), torch.randn(B, C, F)
    torch.testing.assert_close(made(outputs[:, 1:2], features[:, 1:2]), made(outputs, features)[:, 1:2])


def test_no_features_no_candidates_and_no_rows() -> None:
    bare = LateHead(W, 0, T)
    assert bare(torch.randn(B, C, W), torch.zeros(B, C, 0)).shape == (B, C, T)
    assert head()(torch.zeros(B, 0, W), torch.zeros(B, 0, F)).shape == (B, 0, T)
    assert head(experts=2)(torch.zeros(0, C, W), torch.zeros(0, C, F)).shape == (0, C, T)
