"""Shared neighbors: nodes in the sampled neighborhoods of both a member and a candidate, for explanations.

The tokens of both sides contain the hashed keys of their neighbors, place by place (``models.nn.overlap``); the model
counts keys in common. Leaving a neighbor out removes its key from the member's tokens. Its contribution to the pooled
tokens stays: it cannot be removed after pooling.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from models.nn.family import Family
from models.nn.overlap import Path
from serving.ranking.scorer import SlateInputs

What = dict[str, Any]
"""node (type), key ("" where the store has no key for it), and the edges from both sides: member_path, item_path."""


class SharedNeighbors:
    """Finds neighbor keys in the tokens of one model."""

    def __init__(self, ranker: Family) -> None:
        overlap, width = ranker.overlap, ranker.config.width
        member, item = (overlap.member, overlap.item) if overlap else ([], [])
        self._start = ranker.config.graph_tokens * width
        self._end = self._start + (overlap.rows if overlap else 0) * width
        self._pairs = [(member[one], item[other]) for one, other in overlap.pairs] if overlap else []
        self._of_member, self._of_item = _spans(member), _spans(item)

    def left_out(self, inputs: SlateInputs, names: np.ndarray, most: int) -> Iterator[tuple[list[What], np.ndarray]]:
        """Yield each shared neighbor: its description by candidate, and the member's tokens (H * w,) without its key.

        A description is empty for candidates that do not share the neighbor. ``names`` (C,): JSON list of neighbor keys
        by candidate, as materialized; ``most``: the number of neighbors, those shared with most candidates first.
        """
        if inputs.member_tokens is None or not self._pairs:
            return
        found = self._found(inputs.member_tokens[self._start : self._end], inputs, names)
        ordered = sorted(found.items(), key=lambda one: -len(one[1]))
        for (node, code), candidates in ordered[:most]:
            tokens = inputs.member_tokens.copy()
            for path, span in self._of_member.items():
                if path.node == node:
                    keys = tokens[self._start : self._end][span]
                    keys[keys == code] = 0
            yield [candidates.get(place, {}) for place in range(len(inputs))], tokens

    def _found(
        self, member: np.ndarray, inputs: SlateInputs, names: np.ndarray
    ) -> dict[tuple[str, float], dict[int, What]]:
        """By node type and hashed key, its description for each candidate that shares it; ``member``: hashed keys."""
        found: dict[tuple[str, float], dict[int, What]] = {}
        called = [json.loads(text) if text else [] for text in names]
        for one, other in self._pairs:
            span = self._of_item[other]
            keys = inputs.item_tokens[:, self._start : self._end][:, span]
            there = np.isin(keys, member[self._of_member[one]]) & (keys > 0) & inputs.item_known[:, None]
            for candidate, place in np.argwhere(there).tolist():
                what = {
                    "node": other.node,
                    "key": "".join(called[candidate][span][place : place + 1]),
                    "member_path": list(one.edges),
                    "item_path": list(other.edges),
                }
                found.setdefault((other.node, float(keys[candidate, place])), {}).setdefault(candidate, what)
        return found


def _spans(paths: list[Path]) -> dict[Path, slice]:
    """The slice of each path's keys among all keys of its side."""
    ends = np.cumsum([path.places for path in paths]).tolist()
    return {path: slice(end - path.places, end) for path, end in zip(paths, ends, strict=True)}
