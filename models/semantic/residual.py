"""Residual quantizer: k-means level by level, each on what the levels before leave (RQ-KMeans).

There is no encoder before the codes, so RQ-VAE's commitment term (its weight beta) would have nothing to move: with
the vectors as they are, k-means minimizes the rest of its loss.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from models.semantic.config import QuantizerConfig

_BLOCK = 1 << 24
"""Distances held at a time."""
_SPLIT = 1 / 1024
"""How far apart the halves of a split code begin."""


def fit_levels(vectors: Tensor, config: QuantizerConfig, start: Tensor | None, say: Callable[[int], None]) -> Tensor:
    """Codebooks (K, C, d) float32 of the vectors (n, d) float32, n >= C.

    ``start`` (K, C, d): codebooks to begin with, so that a refit keeps the meaning of its codes; None = C of the rows.
    ``say``: told after each iteration how many are done.
    """
    random = torch.Generator().manual_seed(config.seed)
    left, books, done = vectors.clone(), [], 0
    for level in range(config.levels):
        book = _first(left, config.codes, random) if start is None else start[level].clone()
        for _ in range(config.iterations):
            code = nearest(left, book)
            moved = _means(left, code, book)
            done += 1
            say(done)
            if torch.equal(moved, book):
                break
            book = moved
        books.append(book)
        left = left - book[nearest(left, book)]
    return torch.stack(books)


def encode_levels(vectors: Tensor, books: Tensor) -> Tensor:
    """Codes (n, K) int64 from 1 of the vectors (n, d) float32: at each level the nearest to what is left."""
    left, found = vectors.clone(), torch.zeros(len(vectors), len(books), dtype=torch.int64)
    for level, book in enumerate(books):
        code = nearest(left, book)
        left -= book[code]
        found[:, level] = code + 1
    return found


def decode_levels(codes: Tensor, books: Tensor) -> Tensor:
    """Vectors (n, d) float32: the sum of the codes (n, K), a zero vector at code 0."""
    found = torch.zeros(len(codes), books.shape[2])
    for level, book in enumerate(books):
        found += book[(codes[:, level] - 1).clamp(min=0)] * (codes[:, level] > 0).unsqueeze(1)
    return found


def nearest(vectors: Tensor, book: Tensor) -> Tensor:
    """The nearest row of ``book`` (C, d) to each of the vectors (n, d): (n,) int64, the first of ties."""
    squares = book.square().sum(dim=1)
    parts = vectors.split(max(1, _BLOCK // len(book)))
    found = [torch.addmm(squares, part, book.T, alpha=-2).argmin(dim=1) for part in parts if len(part)]
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64)


def _means(vectors: Tensor, code: Tensor, book: Tensor) -> Tensor:
    """The mean of each code's vectors; one without any splits that with the most, so that all codes are used alike."""
    counts = torch.bincount(code, minlength=len(book))
    sums = torch.zeros_like(book, dtype=torch.float64).index_add_(0, code, vectors.double())
    moved = (sums / counts.clamp(min=1).unsqueeze(1)).float()
    for empty in torch.nonzero(counts == 0).flatten().tolist():
        largest = int(counts.argmax())
        if counts[largest] < 2:
            break
        step = _SPLIT * moved[largest]
        moved[empty], moved[largest] = moved[largest] - step, moved[largest] + step
        counts[empty] = counts[largest] // 2
        counts[largest] -= counts[empty]
    return moved


def _first(left: Tensor, codes: int, random: torch.Generator) -> Tensor:
    """Rows to begin with: not those that the levels before met exactly, which would draw everything to 0."""
    order = torch.randperm(len(left), generator=random)
    met = (left[order] == 0).all(dim=1)
    return left[torch.cat([order[~met], order[met]])[:codes]].clone()
