"""What moved a candidate's score: each thing is left out, the slate is scored again, and the difference is the reason.

Leaving out (occlusion, Zeiler and Fergus 2014) answers a question that can be checked: what would the probability be
without this? A gradient would answer for a change too small to see. Two activities that say the same hide each other:
either alone changes little. All questions about a slate go through the model together, a few thousand rows at a time.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from models.features import counter_columns
from models.spec import Spec
from serving.ranking.reader import MemberVectors, OnlineFeatures
from serving.ranking.scorer import Scorer, SlateInputs
from serving.ranking.shared_neighbors import SharedNeighbours

Kind = Literal["activity", "neighbour", "member", "item", "counter"]
_FAMILIES: tuple[tuple[Kind, ...], ...] = (("activity",), ("neighbour",), ("member", "item", "counter"))
_MOST = 3
"""Reasons of one family that a candidate is given."""
_ASKED = 32
"""Activities, and shared neighbours, that are left out in turn: the newest, and those of most candidates."""
_LEAST = 1e-6
"""A smaller effect is the rounding of another batch."""
_ROWS = 2048
"""Candidates in one pass of the model."""


@dataclass(frozen=True)
class Reason:
    """One thing and what it did to a candidate's probability of the primary task."""

    kind: Kind
    what: Mapping[str, Any]
    """activity: action, domain, node, key, time; neighbour: see ``SharedNeighbours``; counter: counter; else empty."""
    effect: float
    """The calibrated probability less the one without it: above 0 where it raised the score."""

    def to_json(self) -> dict[str, Any]:
        """As the answer shows it."""
        return {"kind": self.kind, **self.what, "effect": self.effect}


@dataclass(frozen=True)
class Without:
    """A slate with one thing left out."""

    kind: Kind
    what: Sequence[Mapping[str, Any]]
    """By candidate; empty where the candidate has nothing to do with it."""
    inputs: SlateInputs


class Explainer:
    """Finds the reasons behind the scores of one model."""

    def __init__(self, scorer: Scorer, spec: Spec) -> None:
        schema = scorer.ranker.schema
        self._scorer = scorer
        self._primary = next(task.name for task in schema.seeds.tasks if task.primary)
        self._edges = {edge.name: edge for edge in schema.edges}
        self._counters = {name: set(counter_columns(spec, name)) for name in spec.counters}
        self._neighbours = SharedNeighbours(scorer.ranker)

    def reasons(
        self, inputs: SlateInputs, state: OnlineFeatures, pause: Callable[[], None] = lambda: None
    ) -> list[list[Reason]]:
        """For each of the C candidates what moved it most, strongest first; ``state`` says what things are called.

        ``pause`` is called before each pass of the model: it returns when others can do without the processor.

        At most three activities, three neighbours that both sides have, and three whole parts: all that is known of the
        member, of the item, and each counter.
        """
        everything = list(self.variants(inputs, state))
        whole, *others = self._probabilities([inputs, *(without.inputs for without in everything)], pause)
        effects = np.array([whole - other for other in others]).reshape(len(others), len(inputs))
        return [_strongest(everything, effects[:, place], place) for place in range(len(inputs))]

    def variants(self, inputs: SlateInputs, state: OnlineFeatures) -> Iterator[Without]:
        """The slate without each thing in turn."""
        count = len(inputs)
        for what, times in self._activities(inputs, state.member):
            yield Without("activity", [what] * count, replace(inputs, activity_times=times))
        for each, tokens in self._neighbours.left_out(inputs, state.items.neighbours, _ASKED):
            yield Without("neighbour", each, replace(inputs, member_tokens=tokens))
        if inputs.member_tokens is not None:
            yield Without("member", [{}] * count, replace(inputs, member_tokens=None))
        if inputs.item_known.any():
            yield Without("item", [{}] * count, replace(inputs, item_known=np.zeros_like(inputs.item_known)))
        for name, columns in self._counters.items():
            rest = {feature: values for feature, values in inputs.features.items() if feature not in columns}
            yield Without("counter", [{"counter": name}] * count, replace(inputs, features=rest))

    def _activities(
        self, inputs: SlateInputs, member: MemberVectors | None
    ) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """What each of the last activities was, and the times without it: what has none is not seen."""
        times = inputs.activity_times
        if times is None or member is None:
            return
        seen = np.flatnonzero((times > 0) & (times < inputs.time))
        for place in seen[::-1][:_ASKED]:
            left = times.copy()
            left[place] = 0
            edge = self._edges[member.activity_edges[place]]
            what = {
                "action": edge.name,
                "domain": edge.domain,
                "node": edge.target,
                "key": member.activity_keys[place],
                "time": datetime.fromtimestamp(int(times[place]) // 1_000_000, UTC).isoformat(),
            }
            yield what, left

    def _probabilities(self, slates: list[SlateInputs], pause: Callable[[], None]) -> list[np.ndarray]:
        """Of each slate (C,): the primary task's."""
        found: list[np.ndarray] = []
        step = max(1, _ROWS // len(slates[0]))
        for start in range(0, len(slates), step):
            pause()
            found += self._scorer.logits_many(slates[start : start + step])
        return [self._scorer.calibrate(logits)[self._primary] for logits in found]


def _strongest(everything: list[Without], effects: np.ndarray, place: int) -> list[Reason]:
    """The reasons of the candidate at that place; ``effects`` (variants,)."""
    found = [
        Reason(without.kind, without.what[place], float(effect))
        for without, effect in zip(everything, effects, strict=True)
        if abs(effect) > _LEAST
    ]
    found.sort(key=lambda reason: -abs(reason.effect))
    kept = [[reason for reason in found if reason.kind in family][:_MOST] for family in _FAMILIES]
    return [reason for family in kept for reason in family]
