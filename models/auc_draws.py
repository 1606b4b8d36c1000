"""AUC in every draw of a bootstrap, exactly: every row is ranked by its own score, and ties count one half.

AUC is a count of pairs: of a positive row and a negative row below it. Rows are put in order of score, and neighbours
that no pair can tell apart form a cell: rows of equal scores, or a run of negative rows and the run of positive rows
after it. A cell's weight in a draw is a sum over its rows, so all draws are one sparse product; what remains is a
running sum over the cells. It is taken a piece at a time, so that memory does not grow with the rows.
"""

from typing import NamedTuple

import numpy as np

_BLOCK = 16
"""Cells whose pairs among each other are one small matrix product."""
_AT_ONCE = 1 << 21
"""Numbers of one class that are held at once: cells times draws."""
_EXACT = 1 << 24
"""Below this float32 holds every whole number."""


class _Cells(NamedTuple):
    """Rows in order of score. The number of cells is a multiple of ``_BLOCK``: the last ones may be empty."""

    users: tuple[np.ndarray, np.ndarray]
    """Of the negative and of the positive rows: each row's user."""
    starts: tuple[np.ndarray, np.ndarray]
    """(cells + 1,) of both: where each cell's rows begin."""
    own: np.ndarray
    """(cells,): what a pair inside of the cell counts: 1, or one half where its scores are equal."""


def auc_draws(labels: np.ndarray, scores: np.ndarray, user: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(n,) float64: AUC in each draw; NaN where a draw lacks a class.

    ``labels`` 0 or 1, ``scores`` and ``user`` (rows,) without NaN; ``weights`` (users, n) float32: how often each user
    came up in each draw.
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
    falls = np.r_[False, (hits[1:] == 0) & (hits[:-1] > 0)][: len(rows)]  # from a positive row to a negative one
    cell_of_tie = np.cumsum(falls | mixed | np.r_[False, mixed[:-1]][: len(rows)])
    cell = cell_of_tie[tie]
    count = -(-(int(cell[-1]) + 1 if len(cell) else 0) // _BLOCK) * _BLOCK
    own = np.ones(count, dtype=np.float32)
    own[cell_of_tie[mixed]] = 0.5
    sides = (~positive, positive)
    starts = [np.searchsorted(cell[side], np.arange(count + 1)) for side in sides]
    return _Cells((user[sides[0]], user[sides[1]]), (starts[0], starts[1]), own)


def _weights(cells: _Cells, side: int, chosen: slice, weights: np.ndarray, kind: type) -> np.ndarray:
    """(blocks, _BLOCK, n): the rows of one class in each of the chosen cells, each as often as its user was drawn."""
    from scipy.sparse import csr_matrix

    starts = cells.starts[side][chosen.start : chosen.stop + 1]
    users = cells.users[side][starts[0] : starts[-1]]
    rows = csr_matrix(
        (np.ones(len(users), dtype=kind), users, starts - starts[0]), shape=(len(starts) - 1, len(weights))
    )
    return (rows @ weights).reshape(-1, _BLOCK, weights.shape[1])


def _triangles(own: np.ndarray, kind: type) -> np.ndarray:
    """(blocks or 1, _BLOCK, _BLOCK): what a positive row of one cell scores against a negative one of another."""
    below: np.ndarray = np.tril(np.ones((1, _BLOCK, _BLOCK), dtype=kind))
    if (own == 1).all():
        return below
    below = np.repeat(below, len(own) // _BLOCK, axis=0)
    places = np.arange(_BLOCK)
    below[:, places, places] = own.reshape(-1, _BLOCK)
    return below
