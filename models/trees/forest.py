"""``Forest``: evaluates the trees of all tasks at once, 64 rows per machine word.

From the roots down, the rows that reach a child are those of its parent that meet the parent's condition: one AND of
words for 64 rows. This is QuickScorer's evaluation by bits (Lucchese et al. 2015), with bits over rows instead of
leaves. LightGBM's own walks each tree for each row, with a branch that the processor mispredicts at most nodes:
``python -m benchmarks.trees`` measures both. The result is the same, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.trees.conditions import Conditions
from models.trees.text import Tree

_ROWS = 1024
"""Rows at a time: the words of all nodes stay in the processor's cache."""
_WORD = 64


@dataclass(frozen=True)
class _Level:
    """The k inner nodes of one depth, over all trees."""

    places: np.ndarray
    """(k,) int64: their places among the children that the level above made."""
    conditions: np.ndarray
    """(k,) int64."""


class Forest:
    """The trees of T tasks; the logit of a task is the sum of its trees' leaves."""

    def __init__(self, tasks: Sequence[Sequence[Tree]], columns: int) -> None:
        """``columns``: of the rows. Raises TreesError where the trees' conditions are too many to keep."""
        trees = [tree for task in tasks for tree in task]
        self._sizes = [len(task) for task in tasks]
        self._bits = max((len(tree) for tree in trees), default=0).bit_length()
        self._values = np.zeros((1 << self._bits, len(trees)))  # by leaf and tree
        for place, tree in enumerate(trees):
            self._values[: len(tree.values), place] = tree.values
        self._conditions = Conditions(trees, columns)
        self._levels, self._leaf_order = _levels(trees, self._conditions.of_tree, 1 << self._bits)

    def logits(self, values: np.ndarray) -> np.ndarray:
        """(n, columns) float32 -> (n, T) float64. A row's result does not depend on the others."""
        parts = [self._part(values[start : start + _ROWS]) for start in range(0, len(values), _ROWS)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self._sizes)))

    def _part(self, values: np.ndarray) -> np.ndarray:
        # Of a single row NumPy would add the trees in another order.
        found = self._leaf_values(self._conditions.met(values), max(len(values), 2))
        ends = np.cumsum(self._sizes)
        # Tree after tree, as LightGBM adds them.
        sums = [found[end - size : end].sum(axis=0) for end, size in zip(ends, self._sizes, strict=True)]
        return np.stack(sums, axis=1)[: len(values)]

    def _leaf_values(self, met: np.ndarray, count: int) -> np.ndarray:
        """(trees, count) float64: the value of the leaf that each row reaches; ``met`` (words, conditions)."""
        leaves, trees = self._values.shape
        if not trees:
            return np.zeros((0, count))
        rows = np.full((len(met), trees), ~np.uint64(0))
        reached = [np.zeros((len(met), 1), np.uint64), rows]  # what no leaf is, then roots and all children
        for level in self._levels:
            parents = rows.take(level.places, axis=1)
            left = parents & met.take(level.conditions, axis=1)
            rows = np.concatenate([left, parents ^ left], axis=1)
            reached.append(rows)
        of_leaf = np.concatenate(reached, axis=1).take(self._leaf_order, axis=1).reshape(len(met), leaves, trees)
        places = np.zeros((trees, count), np.int64)
        for bit in range(self._bits):
            # Bit b of a leaf's number is set for the rows of the leaves whose numbers have it.
            with_bit = of_leaf.reshape(len(met), leaves >> (bit + 1), 2, 1 << bit, trees)[:, :, 1]
            words = np.bitwise_or.reduce(with_bit, axis=(1, 2)).T  # (trees, words)
            bits = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=1, bitorder="little")
            places |= bits[:, :count].astype(np.int64) << bit
        places *= trees
        places += np.arange(trees)[:, None]
        return self._values.take(places)


def _levels(trees: Sequence[Tree], conditions: Sequence[np.ndarray], leaves: int) -> tuple[list[_Level], np.ndarray]:
    """The inner nodes of all trees by depth; and where each leaf is made, (leaves * trees,), 0 = nowhere.

    The places count: one of nothing, the trees' roots, then each level's children, left ones first.
    """
    order = np.zeros((leaves, len(trees)), np.int64)
    nodes = [(place, 0 if len(tree) else ~0) for place, tree in enumerate(trees)]
    levels, before = [], 1
    while nodes:
        for where, (place, node) in enumerate(nodes):
            if node < 0:
                order[~node, place] = before + where
        before += len(nodes)
        inner = [where for where, (_, node) in enumerate(nodes) if node >= 0]
        split = [nodes[where] for where in inner]
        levels.append(
            _Level(np.array(inner, np.int64), np.array([conditions[place][node] for place, node in split], np.int64))
        )
        nodes = [(place, int(trees[place].left[node])) for place, node in split]
        nodes += [(place, int(trees[place].right[node])) for place, node in split]
    return [level for level in levels if len(level.places)], order.ravel()
