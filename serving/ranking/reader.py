"""Online reader: fetches a request's vectors, counters and collaborative rows from the feature store in one read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from feature_repo.slate import SlateReader, SlateRows, SlateUnavailableError, Status
from models import clock
from models.counters.columns import state_columns
from models.counters.derive import derive
from models.counters.plan import OVERALL
from models.counters.ragged import Ragged
from models.features import (
    ITEM_VECTORS,
    MEMBER_VECTORS,
    ages_since,
    attribute_keys,
    compared_attributes,
    vector_view,
)
from models.spec import Spec
from models.spec.collaborative_plans import collaborative_plans
from models.spec.counter_plans import counter_plan, counter_plans
from models.time_features import UNKNOWN
from serving.errors import UnavailableError
from serving.ranking.collaborative import CollaborativeFeatures, references
from serving.ranking.request import RankingRequest, is_live


@dataclass(frozen=True)
class MemberVectors:
    """A member's tokens as materialized."""

    encoder: str
    """Digest of the encoder that made them (``models.training.encoder``)."""
    tokens: np.ndarray
    """(H * width,) float32, H = ``Family.rows`` of the member side."""
    activity_tokens: np.ndarray
    """(activities * width,) float32."""
    activity_times: np.ndarray
    """(activities,) int64 microseconds UTC; 0 = no activity."""
    activity_edges: np.ndarray
    """(activities,) object: edge type of each activity; "" = no activity."""
    activity_keys: np.ndarray
    """(activities,) object: key of the activity's target node, as text."""
    as_of: int
    """Microseconds UTC; the vectors contain only events before it."""


@dataclass(frozen=True)
class ItemVectors:
    """The candidates' tokens as materialized: row c belongs to candidate c, in request order."""

    encoder: np.ndarray
    """(C,) object: digest of the encoder that made the vector; None where there is no vector."""
    tokens: Ragged
    """C rows (H * width,) float32, H = ``Family.rows`` of the item side; empty where there is no vector."""
    creator: np.ndarray
    """(C,) object: the creator's key as text; "" or None where unknown."""
    neighbours: np.ndarray
    """(C,) object: JSON list of neighbor keys, in the order of the overlap's places (``models.training.names``); None
    where there is no vector."""
    as_of: np.ndarray
    """(C,) int64 microseconds UTC; a vector contains only events before it. 0 where there is no vector."""


@dataclass(frozen=True)
class OnlineFeatures:
    """What the store holds for a request with C candidates."""

    member: MemberVectors | None
    """None where the store holds no vector of the member."""
    items: ItemVectors
    counters: Mapping[str, np.ndarray]
    """By feature, float32 (C,), or (1,) where all candidates share the value; NaN = missing."""
    as_of: int = 0
    """The time of the read: counters cover events up to it. Microseconds UTC."""
    ahead: int = 0
    """Number of rows ignored because their event time is ahead of the clock."""
    counters_as_of: int | None = None
    """Time of the newest outcome in any counter, microseconds UTC; None = no counter has a rate, or none was found."""
    collaborative: CollaborativeFeatures = field(default_factory=CollaborativeFeatures)
    times: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By feature of type ``time``, int64 microseconds UTC: (C,) of the item, (1,) of the member; UNKNOWN = missing."""

    @classmethod
    def nothing(cls, candidates: int) -> "OnlineFeatures":
        """The features of unknown keys: no vectors, no counters."""
        none, never = np.full(candidates, None, object), np.zeros(candidates, np.int64)
        return cls(None, ItemVectors(none, Ragged.empty(candidates, np.float32), none, none, never), {})


class OnlineReader:
    """Reads vectors, counters and collaborative rows through the slate reader, with one round trip per request.

    ``store_config`` is a feature_store.yaml with absolute paths, as ``feature_repo.store.write_resolved`` writes it to
    state/feast/, or a cluster's; the project is that of the spec's product. No feature definitions are loaded.
    ``slot``: the slot that holds this model version's vectors.
    """

    def __init__(self, store_config: Path, spec: Spec, slot: str, deadline: float = 1.0) -> None:
        if not store_config.is_file():
            raise UnavailableError(
                f"{store_config}: expected the rendered configuration of the feature store; found none. Apply the "
                "feature repository first."
            )
        for variable in ("FEAST_USAGE", "FEAST_TELEMETRY"):
            os.environ.setdefault(variable, "False")
        from feature_repo.store import open_store, project_of

        shown = spec.impressions
        self._member_key, self._item_key = spec.nodes[shown.member.node].key, spec.nodes[shown.item.node].key
        self._surface_key = shown.surface
        self._member_view, self._item_view = vector_view(MEMBER_VECTORS, slot), vector_view(ITEM_VECTORS, slot)
        attributes = attribute_keys(spec)
        moving = {self._item_key, *attributes}
        plans = [counter_plan(spec, name) for name in spec.counters]
        self._compared = list(compared_attributes(spec))
        self._counters = [(plan, bool(moving & set(plan.keys))) for plan in plans]
        self._collaborative, self._zone = list(collaborative_plans(spec).values()), spec.zone
        self._times = list(ages_since(spec))
        store = open_store(store_config, None, project_of(spec.name))
        self._slate = SlateReader(
            store,
            _features(spec, slot) + references(self._collaborative),
            candidate_keys=[self._item_key],
            derived_keys={feature: f"{view}:{feature}" for feature, view in attributes.items()},
            deadline=deadline,
            fallback="error",
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the connections."""
        await self._slate.close()

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        """Read what was known strictly before the request's time. Raises UnavailableError.

        Live requests (within 60 s of the clock) are read at the current time instead: the store keeps the newest row of
        a key only, so a row pushed while the request is in flight would otherwise hide the one it replaced.
        """
        shared = {self._member_key: request.member, self._surface_key: request.surface}
        as_of = None if is_live(request.time, clock.now()) else request.time - 1
        try:
            rows = await self._slate.read(shared, {self._item_key: request.items}, as_of)
        except SlateUnavailableError as error:
            raise UnavailableError("the online store could not be read") from error
        own = {self._surface_key: np.array([request.surface], object), self._item_key: np.array(request.items, object)}
        own |= {feature: rows.candidates[feature] for feature in self._compared}
        return OnlineFeatures(
            member=_member(rows, int(rows.event_time[self._member_view][0])),
            items=_items(rows, rows.event_time[self._item_view]),
            counters=self._derived(rows, own, len(request.items)),
            as_of=rows.as_of,
            ahead=rows.ahead,
            counters_as_of=_newest_outcome(rows),
            collaborative=CollaborativeFeatures.of(self._collaborative, self._zone, rows, len(request.items)),
            times={name: _known(rows, name) for name in self._times},
        )

    def _derived(self, rows: SlateRows, own: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
        """Derive the features of every counter at the time of the read; ``own``: the candidates' compared values."""
        found: dict[str, np.ndarray] = {}
        for plan, each in self._counters:
            # A missing key reads as 0 or an empty list: nothing has happened to it.
            state, moments = (rows.candidates, count) if each else (rows.shared, 1)
            found |= derive(plan, state, rows.shared, np.full(moments, rows.as_of + 1), own)
        return found


def _features(spec: Spec, slot: str) -> list[str]:
    """Feast references of vectors, counters, and the features of items and members that features are derived from."""
    vectors = [
        f"{vector_view(kind, slot)}:{name}"
        for kind, names in ((MEMBER_VECTORS, _MEMBER_FEATURES), (ITEM_VECTORS, _ITEM_FEATURES))
        for name in names
    ]
    counted = [f"{name}:{column}" for name, plan in counter_plans(spec).items() for column in state_columns(plan)]
    attributes = compared_attributes(spec) | ages_since(spec)
    return vectors + counted + [f"{view}:{feature}" for feature, view in attributes.items()]


_MEMBER_FEATURES = (
    "member_tokens",
    "activity_tokens",
    "activity_times",
    "activity_edges",
    "activity_keys",
    "member_encoder",
)
_ITEM_FEATURES = ("item_tokens", "item_encoder", "item_creator", "item_neighbours")


def _member(rows: SlateRows, as_of: int) -> MemberVectors | None:
    if not rows.valid["member_encoder"][0]:
        return None
    return MemberVectors(
        encoder=str(rows.shared["member_encoder"][0]),
        tokens=rows.shared["member_tokens"][0],
        activity_tokens=rows.shared["activity_tokens"][0],
        activity_times=rows.shared["activity_times"][0],
        activity_edges=rows.shared["activity_edges"][0],
        activity_keys=rows.shared["activity_keys"][0],
        as_of=as_of,
    )


def _items(rows: SlateRows, as_of: np.ndarray) -> ItemVectors:
    found = rows.candidates
    return ItemVectors(
        found["item_encoder"], found["item_tokens"], found["item_creator"], found["item_neighbours"], as_of
    )


def _known(rows: SlateRows, name: str) -> np.ndarray:
    """A time of the candidates or of the member; the store holds nothing of it for unknown keys."""
    read = rows.candidates if name in rows.candidates else rows.shared
    return np.where(rows.valid[name], read[name], UNKNOWN)


def _newest_outcome(rows: SlateRows) -> int | None:
    """Event time of the counter ``overall``, which changes with every outcome; other rows only with their own key's."""
    times = rows.event_time.get(OVERALL)
    return None if times is None or rows.status[OVERALL][0] != Status.PRESENT else int(times[0])
