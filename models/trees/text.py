"""Reads the text of a LightGBM model, checked so far that its trees can be evaluated without a further check.

LightGBM's own loader trusts a text: offsets, children and features of a changed one are read beyond its arrays. The
format: ``GBDT::SaveModelToString`` and ``Tree::ToString`` of LightGBM 4.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from models.trees.errors import TreesError

LONGEST = 64 << 20
"""Bytes of a text."""
MOST_TREES = 5000
MOST_LEAVES = 256
_CATEGORICAL, _DEFAULT_LEFT, _MISSING, _MISSING_IS_NAN = 1, 2, 12, 8
"""Bits of a decision type; missing numbers are none, zero or NaN."""
_HEADER = {"num_class": "1", "num_tree_per_iteration": "1"}


@dataclass(frozen=True)
class Tree:
    """One tree with n inner nodes and n + 1 leaves; node 0 is the root, a child comes after its parent."""

    feature: np.ndarray
    """(n,) int64."""
    threshold: np.ndarray
    """(n,) float64; a row goes left where its number is not above it."""
    missing_left: np.ndarray
    """(n,) bool: whether a missing number goes left."""
    categories: tuple[np.ndarray | None, ...]
    """n: None for a number; else a set of codes that go left, as bits of (words,) uint32."""
    left: np.ndarray
    """(n,) int64: a node, or ~leaf."""
    right: np.ndarray
    """(n,) int64."""
    values: np.ndarray
    """(n + 1,) float64."""

    def __len__(self) -> int:
        """n."""
        return len(self.feature)

    @classmethod
    def leaf(cls, value: float) -> "Tree":
        """A tree of one leaf, which gives every row ``value``."""
        none = np.zeros(0, np.int64)
        return cls(none, none.astype(np.float64), none.astype(bool), (), none, none, np.array([value]))


def read_trees(text: str, columns: int) -> list[Tree]:
    """The trees of a binary model of ``columns`` columns. Raises TreesError for what is no such model."""
    if len(text) > LONGEST:
        raise TreesError(f"trees: expected a text of at most {LONGEST} bytes; found {len(text)}: fit fewer trees")
    header, *blocks = text.partition("end of trees")[0].split("\nTree=")
    if len(blocks) > MOST_TREES:
        raise TreesError(f"trees: expected at most {MOST_TREES}; found {len(blocks)}: fit fewer rounds")
    try:
        found = _entries(header)
        for key, value in {**_HEADER, "max_feature_idx": str(columns - 1)}.items():
            _demand(found[key] == value, f"{key}={value}", found[key])
        _demand("average_output" not in found, "a sum of trees", "an average")
        return [_tree(_entries(block), columns) for block in blocks]
    except (ValueError, KeyError, OverflowError) as error:
        raise TreesError(
            f"trees: expected the text of a binary LightGBM model of {columns} columns; found {error}: fit it again"
        ) from None


def _entries(block: str) -> dict[str, str]:
    return dict(_pairs(block))


def _pairs(block: str) -> Iterator[tuple[str, str]]:
    for line in block.splitlines():
        key, _, value = line.partition("=")
        yield key, value


def _tree(entries: Mapping[str, str], columns: int) -> Tree:
    leaves = int(entries["num_leaves"])
    _demand(1 <= leaves <= MOST_LEAVES, f"1 to {MOST_LEAVES} leaves", leaves)
    _demand(entries.get("is_linear", "0") == "0", "constant leaves", "linear ones")
    nodes = leaves - 1
    values = _numbers(entries["leaf_value"], leaves, np.float64)
    _demand(bool(np.isfinite(values).all()), "finite values of leaves", "another")
    if not nodes:
        return Tree.leaf(float(values[0]))
    feature = _numbers(entries["split_feature"], nodes, np.int64)
    kinds = _numbers(entries["decision_type"], nodes, np.int64)
    left, right = (_numbers(entries[key], nodes, np.int64) for key in ("left_child", "right_child"))
    threshold = _numbers(entries["threshold"], nodes, np.float64)
    _demand(bool(((feature >= 0) & (feature < columns)).all()), f"features below {columns}", "another")
    _demand(not np.isnan(threshold).any(), "thresholds that are numbers", "another")
    missing, categorical = kinds & _MISSING, kinds & _CATEGORICAL > 0
    _demand(bool(np.isin(missing, (0, _MISSING_IS_NAN)).all()), "missing numbers as NaN", "zeros for them")
    _check_shape(left, right)
    # Without a kind of missing numbers, as where none was seen in training, LightGBM takes one as 0.
    to_left = np.where(missing == _MISSING_IS_NAN, kinds & _DEFAULT_LEFT > 0, threshold >= 0)
    categories = _categories(entries, categorical, threshold)
    return Tree(feature, threshold, to_left, categories, left, right, values)


def _check_shape(left: np.ndarray, right: np.ndarray) -> None:
    """Raise ValueError unless every node but the root, and every leaf, is the child of one node before it."""
    nodes = len(left)
    children = np.concatenate([left, right])
    expected = np.concatenate([np.arange(1, nodes), ~np.arange(nodes + 1)])
    _demand(np.array_equal(np.sort(children), np.sort(expected)), "each node and leaf once", "another tree")
    parents = np.tile(np.arange(nodes), 2)
    _demand(bool(((children < 0) | (children > parents)).all()), "children after their parents", "others")


def _categories(
    entries: Mapping[str, str], categorical: np.ndarray, threshold: np.ndarray
) -> tuple[np.ndarray | None, ...]:
    """Each node's set of codes; None where it splits a number."""
    if not categorical.any():
        return (None,) * len(categorical)
    count = int(entries["num_cat"])
    _demand(1 <= count <= MOST_LEAVES, f"1 to {MOST_LEAVES} sets of codes", count)
    bounds = _numbers(entries["cat_boundaries"], count + 1, np.int64)
    _demand(bounds[0] == 0 and bool((np.diff(bounds) > 0).all()), "bounds of sets that ascend", "others")
    words = _numbers(entries["cat_threshold"], int(bounds[-1]), np.uint32)
    place = np.where(categorical, threshold, 0)
    _demand(bool(np.isin(place, np.arange(count)).all()), f"sets below {count}", "another")
    sets = [words[start:end] for start, end in pairwise(bounds)]
    return tuple(sets[int(at)] if coded else None for at, coded in zip(place, categorical, strict=True))


def _numbers(line: str, count: int, kind: type) -> np.ndarray:
    """(count,) numbers of a line. Raises ValueError."""
    values = line.split()
    _demand(len(values) == count, f"{count} numbers in a line", len(values))
    return np.array(values, dtype=kind)


def _demand(holds: bool, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"{found} in place of {expected}")
