"""Nodes that stand in the neighbourhoods of a member and of a candidate alike, and the member without one of them.

The tokens of both sides carry the keys of their neighbours, hashed, place by place (``models.nn.overlap``); the model
counts those in common. What a neighbour adds to the pooled tokens cannot be taken out again: the tokens are left as
they are, and the reason is that both sides share it.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from models.nn.model import Ranker
from models.nn.overlap import Path
from serving.ranking.scorer import SlateInputs

What = dict[str, Any]
"""node, key ("" where the store does not name it), and the edges that lead to it: member_path and item_path."""


class SharedNeighbours:
    """Reads the keys in tokens of one model."""

    def __init__(self, ranker: Ranker) -> None:
        overlap, width = ranker.overlap, ranker.config.width
        self._start = ranker.config.graph_tokens * width
        self._end = self._start + overlap.rows * width
        self._pairs = [(overlap.member[one], overlap.item[other]) for one, other in overlap.pairs]
        self._of_member, self._of_item = _spans(overlap.member), _spans(overlap.item)

    def left_out(self, inputs: SlateInputs, names: np.ndarray, most: int) -> Iterator[tuple[list[What], np.ndarray]]:
        """For every shared neighbour, by candidate, what it is (empty where that has it not), and the member's tokens
        without its key.

        ``names`` (C,): JSON by candidate, as pushed; ``most``: those of most candidates.
        """
        if inputs.member_tokens is None:
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
        """By node type and hashed key: what it is to each candidate that has it; ``member``: the member's keys."""
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
    """Where the keys of each path lie among those of its side."""
    ends = np.cumsum([path.places for path in paths]).tolist()
    return {path: slice(end - path.places, end) for path, end in zip(paths, ends, strict=True)}
