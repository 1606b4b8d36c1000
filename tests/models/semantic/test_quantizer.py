"""Codes of vectors: deterministic, from 1, 0 = missing; the error falls level by level; bytes and measures."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.semantic.config import QuantizerConfig
from models.semantic.errors import SemanticError
from models.semantic.measures import churn, use
from models.semantic.packing import bytes_per_key, pack, unpack
from models.semantic.quantizer import Codes, Quantizer, fit_quantizer
from models.semantic.residual import decode_levels
from models.semantic.scalar import decode_scalar

SMALL = QuantizerConfig(levels=3, codes=8, fsq_width=4, iterations=10)


def vectors(rows: int = 200, size: int = 6, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    return torch.from_numpy(random.normal(size=(rows, size)).astype(np.float32))


def same(one: Quantizer, other: Quantizer) -> bool:
    return all(torch.equal(a, b) for a, b in zip([*one.frame, one.books], [*other.frame, other.books], strict=True))


def test_the_seed_decides_everything() -> None:
    assert same(fit_quantizer(vectors(), SMALL), fit_quantizer(vectors(), SMALL))
    other = fit_quantizer(vectors(), QuantizerConfig(levels=3, codes=8, fsq_width=4, iterations=10, seed=2))
    assert not same(fit_quantizer(vectors(), SMALL), other)


def test_codes_are_in_range_and_the_error_falls_with_each_level() -> None:
    found = fit_quantizer(vectors(), SMALL)
    codes = found.encode(vectors())
    assert (codes.residual.min(), codes.residual.max(), codes.scalar.min(), codes.scalar.max()) == (1, 8, 1, 16)
    errors = []
    for level in range(4):
        near = decode_levels(codes.residual[:, :level].long(), found.books[:level]) + found.frame.mean
        errors.append((near - vectors()).square().mean().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[3] < 0.4 * errors[0]
    near, _ = found.decode(codes)
    assert (near - vectors()).square().mean().item() == pytest.approx(errors[3])


def test_a_code_is_that_of_the_nearest_vector_of_its_book() -> None:
    found = fit_quantizer(vectors(), SMALL)
    left = vectors() - found.frame.mean
    for level, book in enumerate(found.books):
        nearest = torch.cdist(left, book).argmin(dim=1)
        assert torch.equal(found.encode(vectors()).residual[:, level].long(), nearest + 1)
        left = left - book[nearest]


def test_levels_of_a_dimension_are_equal_steps_of_its_tanh() -> None:
    found = fit_quantizer(vectors(size=4), SMALL)
    scaled = torch.tanh((vectors(size=4) - found.frame.mean) / found.frame.scale)
    assert (decode_scalar(found.encode(vectors(size=4)).scalar, 16) - scaled).abs().max() <= 1 / 16 + 1e-6


def test_a_row_that_is_not_finite_has_no_codes_and_changes_no_other() -> None:
    given = vectors()
    given[3, 2], given[7, 0], given[9, 1] = float("nan"), float("inf"), 1e30
    kept = [row for row in range(200) if row not in (3, 7, 9)]
    found = fit_quantizer(given, SMALL)
    assert same(found._replace(rows=0), fit_quantizer(given[kept], SMALL)._replace(rows=0))
    codes = found.encode(given)
    assert not codes.residual[[3, 7, 9]].any()
    assert not codes.scalar[[3, 7, 9]].any()
    assert torch.equal(codes.residual[kept], found.encode(given[kept]).residual)
    near, middle = found.decode(codes)
    assert not near[3].any()
    assert not middle[3].any()


def test_no_vectors_have_no_codes() -> None:
    found = fit_quantizer(vectors(), SMALL).encode(torch.zeros(0, 6))
    assert (found.residual.shape, found.scalar.shape) == ((0, 3), (0, 4))


def test_equal_vectors_and_dimensions_that_do_not_vary_are_allowed() -> None:
    given = torch.ones(20, 6)
    codes = fit_quantizer(given, SMALL).encode(given)
    assert len(codes.residual.unique(dim=0)) == 1
    assert len(codes.scalar.unique(dim=0)) == 1


@pytest.mark.parametrize(("kind", "shapes"), [("rq", (3, 0)), ("fsq", (0, 4)), ("rq_fsq", (3, 4))])
def test_kinds_have_their_branches_and_their_bytes_come_back(kind: Any, shapes: tuple[int, int]) -> None:
    config = QuantizerConfig(kind=kind, levels=3, codes=8, fsq_width=4)
    codes = fit_quantizer(vectors(), config).encode(vectors())
    assert (codes.residual.shape[1], codes.scalar.shape[1]) == shapes
    packed = pack(codes, config)
    assert packed.shape == (200, bytes_per_key(config, shapes[1]))
    back = unpack(packed, config, shapes[1])
    assert torch.equal(back.residual, codes.residual)
    assert torch.equal(back.scalar, codes.scalar)


def test_three_codes_of_1024_and_64_dimensions_of_16_levels_are_36_bytes() -> None:
    assert bytes_per_key(QuantizerConfig(), 64) == 36
    assert 384 * 4 >= 28 * 36


def test_a_key_without_codes_has_no_bytes() -> None:
    with pytest.raises(SemanticError, match=r"found others in row 1\. Leave keys without a vector out"):
        pack(Codes(torch.tensor([[1], [0]]).int(), torch.ones(2, 2).to(torch.uint8)), QuantizerConfig(levels=1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "vq"}, "kind: expected one of rq, fsq, rq_fsq; found 'vq'"),
        ({"levels": 0}, "levels: expected a whole number from 1 to 8; found 0"),
        ({"codes": True}, "codes: expected a whole number from 2 to 65536; found True"),
        ({"fsq_levels": 5}, "fsq_levels: expected one of 2, 4, 8, 16; found 5"),
        ({"codes": 1024.0}, "codes: expected a whole number"),
    ],
)
def test_settings_out_of_their_bounds_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SemanticError, match=message):
        QuantizerConfig(**change)


def test_too_few_vectors_and_other_sizes_are_refused() -> None:
    with pytest.raises(SemanticError, match="expected at least 8 that are finite; found 7"):
        fit_quantizer(vectors(7), SMALL)
    with pytest.raises(SemanticError, match=r"expected n by 6 numbers; found the shape \(2, 5\)"):
        fit_quantizer(vectors(), SMALL).encode(torch.zeros(2, 5))
    with pytest.raises(SemanticError, match="Fit without a start"):
        fit_quantizer(vectors(size=5), SMALL, fit_quantizer(vectors(), SMALL))
    with pytest.raises(SemanticError, match="Fit without a start"):
        fit_quantizer(vectors(), replace(SMALL, fsq_width=3), fit_quantizer(vectors(), SMALL))


def test_a_warm_refit_changes_fewer_codes_than_a_cold_one() -> None:
    old = fit_quantizer(vectors(), SMALL)
    moved = vectors() + 0.01 * vectors(seed=1)
    fits = [fit_quantizer(moved, SMALL, old), fit_quantizer(moved, QuantizerConfig("rq_fsq", 3, 8, 16, 4, 10, 9))]
    warm, cold = (churn(old.encode(vectors()), fit.encode(moved)) for fit in fits)
    assert warm.residual < 0.3 < cold.residual
    assert warm.scalar < 0.2
    assert warm.keys == 200


def test_churn_and_use_by_hand() -> None:
    old = Codes(
        torch.tensor([[1, 2], [3, 3], [0, 0], [2, 2]]).int(), torch.tensor([[4], [4], [0], [4]]).to(torch.uint8)
    )
    new = Codes(
        torch.tensor([[1, 1], [3, 3], [1, 1], [0, 0]]).int(), torch.tensor([[6], [4], [1], [0]]).to(torch.uint8)
    )
    found = churn(old, new)
    assert found == (2, (0.0, 0.5), 0.5, 0.5, 1.0)
    assert use(torch.tensor([[1], [1], [2], [2], [0]]), 4) == [(pytest.approx(2.0), 2, 4)]
    empty = churn(Codes(old.residual[:0], old.scalar[:0]), Codes(new.residual[:0], new.scalar[:0]))
    assert empty.keys == 0
    assert np.isnan(empty.residual)
    assert np.isnan(use(torch.zeros(0, 1), 4)[0].perplexity)
