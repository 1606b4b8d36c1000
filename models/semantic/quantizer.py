"""``Quantizer``: fitted once to the vectors of keys, it gives every vector its codes."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from models.semantic.config import QuantizerConfig
from models.semantic.errors import SemanticError
from models.semantic.residual import decode_levels, encode_levels, fit_levels
from models.semantic.scalar import Frame, decode_scalar, encode_scalar, fit_frame

ROWS_PER_CODE = 256
"""A fit reads at most this many rows for each code; more change its codebooks little."""
LEAST_ROWS = 2
_LARGEST = 1e15
"""Larger numbers lose their square in float32."""


class Codes(NamedTuple):
    """Semantic IDs of n keys; 0 everywhere = the key has no vector."""

    residual: Tensor
    """(n, K) int32, 1 to C; no columns without that branch."""
    scalar: Tensor
    """(n, D) uint8, 1 to L; no columns without that branch."""


class Quantizer(NamedTuple):
    """Its settings, what it is fitted to, and what is fitted."""

    config: QuantizerConfig
    rows: int
    """How many vectors it was fitted to."""
    frame: Frame
    """Of no dimensions (D = 0) without that branch; its mean is that of the residual branch too."""
    books: Tensor
    """(K, C, d) float32 codebooks; none (K = 0) without that branch."""

    @property
    def size(self) -> int:
        """Numbers of a vector."""
        return len(self.frame.mean)

    def encode(self, vectors: Tensor) -> Codes:
        """Codes of the vectors (n, d) float32. A row with a number that is not finite has none: 0 everywhere.

        A row's codes do not depend on the other rows but for ties within rounding. Raises SemanticError for vectors of
        another size.
        """
        vectors = _checked(vectors, self.size)
        known = usable(vectors)
        kept = vectors[known]
        residual = torch.zeros(len(vectors), len(self.books), dtype=torch.int32)
        scalar = torch.zeros(len(vectors), len(self.frame.scale), dtype=torch.uint8)
        if len(self.books):
            residual[known] = encode_levels(kept - self.frame.mean, self.books).int()
        if len(self.frame.scale):
            scalar[known] = encode_scalar(kept, self.frame, self.config.fsq_levels)
        return Codes(residual, scalar)

    def decode(self, codes: Codes) -> tuple[Tensor, Tensor]:
        """Vectors (n, d) float32 that the residual codes stand for, and the middles (n, D) of the scalar levels."""
        near = decode_levels(codes.residual.long(), self.books)
        if len(self.books):
            near += self.frame.mean * (codes.residual > 0).any(dim=1, keepdim=True)
        return near, decode_scalar(codes.scalar, self.config.fsq_levels)


def fit_quantizer(
    vectors: Tensor,
    config: QuantizerConfig,
    start: Quantizer | None = None,
    say: Callable[[int], None] = lambda done: None,
) -> Quantizer:
    """Fit a quantizer to the vectors (n, d) float32; rows with a number that is not finite are left out.

    ``start``: a fit of the same settings to begin with; frame and rotation stay its own, so that codes keep their
    meaning. ``say``: told after each iteration of k-means how many are done. The same input and seed give the same
    bits on the same machine. Raises SemanticError.
    """
    vectors = _checked(vectors, None)
    vectors = vectors[usable(vectors)]
    least = config.codes if config.residual else LEAST_ROWS
    if len(vectors) < least:
        raise SemanticError(
            f"vectors: expected at least {least:,} that are finite; found {len(vectors):,}. Lower `codes` to a tenth "
            "of the vectors: a code of its own for every key is no more than its ID"
        )
    if start is not None:
        _check_start(start, config, vectors.shape[1])
    rows, most = len(vectors), ROWS_PER_CODE * config.codes
    if rows > most:
        random = torch.Generator().manual_seed(config.seed)
        vectors = vectors[torch.randperm(rows, generator=random)[:most].sort().values]
    frame = start.frame if start else fit_frame(vectors, config.fsq_width)
    if not config.scalar:
        frame = Frame(frame.mean, torch.zeros(vectors.shape[1], 0), torch.zeros(0))
    books = torch.zeros(0, config.codes, vectors.shape[1])
    if config.residual:
        first = start.books if start else None
        inner = vectors - frame.mean
        books = fit_levels(inner, config, first, say)
    return Quantizer(config, rows, frame, books)


def usable(vectors: Tensor) -> Tensor:
    """Which of the vectors (n, d) are finite and small enough for float32: (n,) bool."""
    return (vectors.abs() <= _LARGEST).all(dim=1)


def _checked(vectors: Tensor, size: int | None) -> Tensor:
    expected = "n by d numbers" if size is None else f"n by {size} numbers"
    if vectors.ndim != 2 or not vectors.shape[1] or (size is not None and vectors.shape[1] != size):
        raise SemanticError(f"vectors: expected {expected}; found the shape {tuple(vectors.shape)}")
    return vectors.float()


def _check_start(start: Quantizer, config: QuantizerConfig, size: int) -> None:
    one, width = start.config, min(size, config.fsq_width) if config.scalar else 0
    found = (one.kind, one.levels, one.codes, one.fsq_levels, start.size, len(start.frame.scale))
    wanted = (config.kind, config.levels, config.codes, config.fsq_levels, size, width)
    if found != wanted:
        raise SemanticError(
            f"start: expected kind, levels, codes, fsq_levels, size and rounded dimensions {wanted}; found {found}. "
            "Fit without a start"
        )
