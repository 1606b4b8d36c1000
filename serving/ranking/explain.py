"""Explanations by occlusion (Zeiler and Fergus, 2014): leave out one input, score again, report the difference.

The effect can be checked: it is the probability minus the probability without the input. A gradient would only describe
an infinitesimal change. Redundant inputs mask each other: leaving out one of two similar activities changes little. All
variants of a slate are scored together, about 2,000 candidates per pass. A variant is calibrated as it would be served:
without its vectors or the count of its exposures an item is cold.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from models.collaborative.plan import feature_columns
from models.features import counter_columns, time_features
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans
from models.time_units import SECOND, iso
from serving.ranking.reader import MemberVectors, OnlineFeatures
from serving.ranking.scorer import Scorer, SlateInputs
from serving.ranking.shared_neighbors import SharedNeighbors

Kind = Literal["activity", "neighbour", "member", "item", "counter", "collaborative", "context", "time"]
_FAMILIES: tuple[tuple[Kind, ...], ...] = (
    ("activity",),
    ("neighbour",),
    ("member", "item", "counter", "collaborative", "context", "time"),
)
_MOST = 3
"""Reasons reported per family and candidate."""
_TRIED = 32
"""Inputs of a kind that are left out in turn: the newest activities, and the neighbors shared with most candidates."""
_LEAST = 1e-6
"""Smaller effects are rounding differences between batches."""
_ROWS = 2048
"""Candidates per pass of the model."""


@dataclass(frozen=True)
class Reason:
    """One input and its effect on a candidate's probability of the primary task."""

    kind: Kind
    what: Mapping[str, Any]
    """activity: action (an edge type, or one of ``models.graph.impressions.KINDS``), domain, node, key, time;
    neighbour: see ``SharedNeighbors``; counter: counter; collaborative: block; context and time: feature; else empty.
    """
    effect: float
    """Calibrated probability minus the one without the input: positive where the input raised the score."""

    def to_json(self) -> dict[str, Any]:
        """Return the reason as the response shows it."""
        return {"kind": self.kind, **self.what, "effect": self.effect}


@dataclass(frozen=True)
class Without:
    """A slate with one input left out."""

    kind: Kind
    what: Sequence[Mapping[str, Any]]
    """By candidate; empty for candidates that do not have the input."""
    inputs: SlateInputs


class Explainer:
    """Explains the scores of one model."""

    def __init__(self, scorer: Scorer, spec: Spec) -> None:
        schema = scorer.ranker.schema
        self._scorer = scorer
        self._primary = next(task.name for task in schema.seeds.tasks if task.primary)
        self._edges = {edge.name: edge for edge in schema.edges}
        self._home, self._item = spec.home_domain, schema.seeds.item
        named: dict[tuple[Kind, str, str], list[str]] = {
            ("counter", "counter", name): counter_columns(spec, name) for name in spec.counters
        }
        for name, plan in collaborative_plans(spec).items():
            named["collaborative", "block", name] = feature_columns(plan)
        named |= {("context", "feature", feature.name): [feature.name] for feature in spec.impressions.typed_given}
        named |= {("time", "feature", feature.name): [feature.name] for feature in time_features(spec)}
        self._features = {key: set(columns) for key, columns in named.items()}
        self._neighbours = SharedNeighbors(scorer.ranker)

    def reasons(
        self, inputs: SlateInputs, online: OnlineFeatures, pause: Callable[[], None] = lambda: None
    ) -> list[list[Reason]]:
        """For each of the C candidates, the reasons with the largest effects, largest first.

        A candidate gets at most three activities, three shared neighbors, and three of: the member's vectors, the
        item's vectors, each counter, collaborative block, column of context and time feature. ``online`` supplies keys
        and times. ``pause`` is called before each pass; it may block while requests without explanations are scored.
        """
        variants = list(self.variants(inputs, online))
        full, *others = self._probabilities([inputs, *(without.inputs for without in variants)], pause)
        effects = np.array([full - other for other in others]).reshape(len(others), len(inputs))
        return [_strongest(variants, effects[:, place], place) for place in range(len(inputs))]

    def variants(self, inputs: SlateInputs, online: OnlineFeatures) -> Iterator[Without]:
        """Yield the slate without each input in turn."""
        count = len(inputs)
        for what, times in self._activities(inputs, online.member):
            yield Without("activity", [what] * count, replace(inputs, activity_times=times))
        for each, tokens in self._neighbours.left_out(inputs, online.items.neighbours, _TRIED):
            yield Without("neighbour", each, replace(inputs, member_tokens=tokens))
        if inputs.member_tokens is not None:
            yield Without("member", [{}] * count, replace(inputs, member_tokens=None))
        if inputs.item_known.any():
            yield Without("item", [{}] * count, replace(inputs, item_known=np.zeros_like(inputs.item_known)))
        for (kind, field, name), columns in self._features.items():
            if kind == "context" and columns.isdisjoint(inputs.features):
                continue  # the request did not give it
            rest = {feature: values for feature, values in inputs.features.items() if feature not in columns}
            yield Without(kind, [{field: name}] * count, replace(inputs, features=rest))

    def _activities(
        self, inputs: SlateInputs, member: MemberVectors | None
    ) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """Yield each of the latest activities, and the (N,) times without it; an activity without a time is masked."""
        times = inputs.activity_times
        if times is None or member is None:
            return
        seen = np.flatnonzero((times > 0) & (times < inputs.time))
        for place in seen[::-1][:_TRIED]:
            left = times.copy()
            left[place] = 0
            what = {
                **self._action(member.activity_edges[place]),
                "key": member.activity_keys[place],
                "time": iso(int(times[place]) // SECOND * SECOND),
            }
            yield what, left

    def _action(self, name: str) -> dict[str, Any]:
        """Action, domain and node type of an activity; an impression has no domain but the product's own."""
        edge = self._edges.get(name)
        if edge is None:
            return {"action": name, "domain": self._home, "node": self._item}
        return {"action": edge.name, "domain": edge.domain, "node": edge.target}

    def _probabilities(self, slates: list[SlateInputs], pause: Callable[[], None]) -> list[np.ndarray]:
        """The primary task's probabilities, (C,) for each slate."""
        found: list[np.ndarray] = []
        step = max(1, _ROWS // len(slates[0]))
        for start in range(0, len(slates), step):
            pause()
            found += self._scorer.logits_many(slates[start : start + step])
        return [
            self._scorer.calibrate(logits, slate)[self._primary] for logits, slate in zip(found, slates, strict=True)
        ]


def _strongest(variants: list[Without], effects: np.ndarray, place: int) -> list[Reason]:
    """The reasons of the candidate at position ``place``; ``effects`` (variants,)."""
    found = [
        Reason(without.kind, without.what[place], float(effect))
        for without, effect in zip(variants, effects, strict=True)
        if abs(effect) > _LEAST
    ]
    found.sort(key=lambda reason: -abs(reason.effect))
    kept = [[reason for reason in found if reason.kind in family][:_MOST] for family in _FAMILIES]
    return [reason for family in kept for reason in family]
