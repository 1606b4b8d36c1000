"""AUC in every bootstrap draw, computed exactly: each row is ranked by its own score, and ties count one half.

AUC counts the pairs of a positive row and a negative row with a lower score. Rows are sorted by score, and adjacent
rows that no pair distinguishes form a cell: rows of equal scores, or a run of negative rows with the run of positive
rows after it. A cell's weight in a draw is a sum over its rows, so one sparse product gives the weights in all draws;
a running sum over the cells remains. Cells are processed in chunks, so memory does not grow with the number of rows.
"""

from typing import NamedTuple

import numpy as np

_BLOCK = 16
"""Cells per block: the pairs within a block are counted by one small matrix product."""
_AT_ONCE = 1 << 21
"""Weights of one class that are held in memory at once: cells times draws."""
_EXACT = 1 << 24
"""float32 represents every whole number below this."""


class _Cells(NamedTuple):
    """Rows sorted by score, in cells. The number of cells is a multiple of ``_BLOCK``: the last ones may be empty."""

    users: tuple[np.ndarray, np.ndarray]
    """(rows of the class,) int64: each row's user; first the negative rows, then the positive ones."""
    starts: tuple[np.ndarray, np.ndarray]
    """(cells + 1,) int64 for each class: where the rows of each cell begin."""
    own: np.ndarray
    """(cells,) float32: what a pair within the cell counts: 1, or 0.5 where its scores are equal."""


def auc_draws(labels: np.ndarray, scores: np.ndarray, user: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The AUC in each of n draws, (n,) float64; NaN where a draw lacks a class.

    ``labels`` (rows,) 0 or 1, ``scores`` (rows,) without NaN, ``user`` (rows,) int64, positions in ``weights``;
    ``weights`` (users, n) float32: how often each user was drawn.
    """
    cells, draws = _cells(labels > 0, scores, user), weights.shape[1]
    drawn = np.bincount(user, minlength=len(weights)).astype(np.float32) @ weights
    kind = np.float32 if drawn.max(initial=0) < _EXACT else np.float64
    step = max(_AT_ONCE // max(draws, 1) // _BLOCK, 1) * _BLOCK
    pairs, below, positives = np.zeros(draws), np.zeros(draws), np.zeros(draws)
    for first in range(0, len(cells.own), step):
        chosen = slice(first, min(first + step, len(cells.own)))
        negative, positive = (_weights(cells, side, chosen, weights, kind) for side in (0, 1))
        inside = np.matmul(_triangles(cells.own[chosen], kind), negative)
        pairs += np.einsum("bcd,bcd->d", inside, positive)
        negative, positive = negative.sum(axis=1), positive.sum(axis=1)  # of each block
        under = np.cumsum(negative, axis=0, dtype=np.float64)
        end = below + under[-1]
        under += below - negative
        pairs += np.einsum("bd,bd->d", under, positive)
        positives += positive.sum(axis=0, dtype=np.float64)
        below = end
    with np.errstate(divide="ignore", invalid="ignore"):
        return pairs / (below * positives)


def _cells(positive: np.ndarray, scores: np.ndarray, user: np.ndarray) -> _Cells:
    order = np.argsort(scores, kind="stable")
    positive, scores, user = positive[order], scores[order], user[order]
    tie = np.cumsum(np.r_[False, scores[1:] != scores[:-1]][: len(order)])
    rows, hits = np.bincount(tie), np.bincount(tie, weights=positive)
    mixed = (hits > 0) & (hits < rows)
    falls = np.r_[False, (hits[1:] == 0) & (hits[:-1] > 0)][: len(rows)]  # a negative tie after a positive one
    cell_of_tie = np.cumsum(falls | mixed | np.r_[False, mixed[:-1]][: len(rows)])
    cell = cell_of_tie[tie]
    count = -(-(int(cell[-1]) + 1 if len(cell) else 0) // _BLOCK) * _BLOCK
    own = np.ones(count, dtype=np.float32)
    own[cell_of_tie[mixed]] = 0.5
    sides = (~positive, positive)
    starts = [np.searchsorted(cell[side], np.arange(count + 1)) for side in sides]
    return _Cells((user[sides[0]], user[sides[1]]), (starts[0], starts[1]), own)


def _weights(cells: _Cells, side: int, chosen: slice, weights: np.ndarray, kind: type) -> np.ndarray:
    """(blocks, _BLOCK, n): how many rows of one class each chosen cell has in each draw."""
    from scipy.sparse import csr_matrix

    starts = cells.starts[side][chosen.start : chosen.stop + 1]
    users = cells.users[side][starts[0] : starts[-1]]
    rows = csr_matrix(
        (np.ones(len(users), dtype=kind), users, starts - starts[0]), shape=(len(starts) - 1, len(weights))
    )
    return (rows @ weights).reshape(-1, _BLOCK, weights.shape[1])


def _triangles(own: np.ndarray, kind: type) -> np.ndarray:
    """(blocks or 1, _BLOCK, _BLOCK): what a pair of a positive row in one cell and a negative row in another counts."""
    below: np.ndarray = np.tril(np.ones((1, _BLOCK, _BLOCK), dtype=kind))
    if (own == 1).all():
        return below
    below = np.repeat(below, len(own) // _BLOCK, axis=0)
    places = np.arange(_BLOCK)
    below[:, places, places] = own.reshape(-1, _BLOCK)
    return below
