"""The online reader: what the feature store holds for one request, in one read."""

import logging
import math
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from feature_repo.slate import SlateReader, SlateRows, SlateUnavailableError
from models.counters.columns import state_columns
from models.counters.derive import derive
from models.features import ITEM_VECTORS, MEMBER_VECTORS, attribute_keys, counter_keys, counter_views
from models.spec import Spec
from serving.errors import UnavailableError
from serving.request import RankingRequest

_LIVE = 60_000_000
"""A request whose time is within so many microseconds of the clock is one of now."""


@dataclass(frozen=True)
class MemberVectors:
    """A member's tokens as pushed. ``activity_times`` are microseconds UTC, 0 where there is no activity."""

    version: str
    tokens: np.ndarray
    """(H * width,) float32; H as ``Ranker.rows`` says for this side."""
    activity_tokens: np.ndarray
    """(activities * width,) float32."""
    activity_times: np.ndarray
    """(activities,) int64."""
    as_of: int
    """Microseconds UTC: what they know is older."""


@dataclass(frozen=True)
class ItemVectors:
    """An item's tokens as pushed."""

    version: str
    tokens: np.ndarray
    """(H * width,) float32; H as ``Ranker.rows`` says for this side."""


@dataclass(frozen=True)
class OnlineState:
    """What the store holds for a request; None for a key without vectors."""

    member: MemberVectors | None
    items: list[ItemVectors | None]
    counters: list[dict[str, float]] = field(default_factory=list)
    """One mapping per item: the features of every counter; what is missing is absent."""


class OnlineReader:
    """Reads vectors and counters through the slate reader: one round trip a request.

    ``store_config`` is a feature_store.yaml with absolute paths (``feature_repo.store.write_resolved`` writes it to
    state/feast/feature_store.yaml), so that no definitions are needed.
    """

    def __init__(self, store_config: Path, spec: Spec, deadline: float = 1.0) -> None:
        if not store_config.is_file():
            raise UnavailableError(
                f"{store_config}: expected the rendered configuration of the feature store; found none. Apply the "
                "feature repository first."
            )
        for variable in ("FEAST_USAGE", "FEAST_TELEMETRY"):
            os.environ.setdefault(variable, "False")
        from feast import FeatureStore

        shown = spec.impressions
        self._spec = spec
        self._member_key, self._item_key = spec.nodes[shown.member.node].key, spec.nodes[shown.item.node].key
        self._surface_key = shown.surface
        attributes = attribute_keys(spec)
        moving = {self._item_key, *attributes}
        self._per_item = {name for name in spec.counters if moving & set(counter_keys(spec, name))}
        store = FeatureStore(repo_path=str(store_config.parent), fs_yaml_file=store_config)
        self._slate = SlateReader(
            store,
            _features(spec),
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
        """Give the connections back."""
        await self._slate.close()

    async def read(self, request: RankingRequest) -> OnlineState:
        """What was known strictly before the request's time; of a request of now, when it is read.

        Else an event that is pushed while the request is on its way would hide what it has replaced. Raises
        UnavailableError.
        """
        shared = {self._member_key: request.member, self._surface_key: request.surface}
        as_of = None if abs(time.time_ns() // 1000 - request.time) < _LIVE else request.time - 1
        try:
            rows = await self._slate.read(shared, {self._item_key: request.items}, as_of)
        except SlateUnavailableError as error:
            logging.getLogger("heliograph").warning("%s", error)  # names files and addresses: not for the caller
            raise UnavailableError("the online store could not be read") from error
        return OnlineState(
            member=_member(rows),
            items=[_item(rows, place) for place in range(len(request.items))],
            counters=self._counters(rows, request),
        )

    def _counters(self, rows: SlateRows, request: RankingRequest) -> list[dict[str, float]]:
        """The features of every counter as of the request, by item."""
        count = len(request.items)
        found: list[dict[str, float]] = [{} for _ in range(count)]
        for name in self._spec.counters:
            each = name in self._per_item
            # What is missing reads as 0, or as an empty list: a key to which nothing has happened.
            state, moments = (rows.candidates, count) if each else (rows.shared, 1)
            features = derive(self._spec, name, state, rows.shared, np.full(moments, rows.as_of + 1))
            for feature, values in features.items():
                for place, value in enumerate(np.broadcast_to(values, count).tolist()):
                    if not math.isnan(value):
                        found[place][feature] = value
        return found


def _features(spec: Spec) -> list[str]:
    """Everything that a slate is ranked with, as Feast's references."""
    counted = [f"{name}:{column}" for name in counter_views(spec) for column in state_columns(spec, name)]
    return [*_MEMBER_FEATURES, *_ITEM_FEATURES, *counted]


_MEMBER_FEATURES = [
    f"{MEMBER_VECTORS}:{name}"
    for name in ("member_tokens", "activity_tokens", "activity_times", "member_model_version")
]
_ITEM_FEATURES = [f"{ITEM_VECTORS}:{name}" for name in ("item_tokens", "item_model_version")]


def _member(rows: SlateRows) -> MemberVectors | None:
    if not rows.valid["member_model_version"][0]:
        return None
    return MemberVectors(
        version=str(rows.shared["member_model_version"][0]),
        tokens=rows.shared["member_tokens"][0],
        activity_tokens=rows.shared["activity_tokens"][0],
        activity_times=rows.shared["activity_times"][0],
        as_of=int(rows.event_time[MEMBER_VECTORS][0]),
    )


def _item(rows: SlateRows, place: int) -> ItemVectors | None:
    if not rows.valid["item_model_version"][place]:
        return None
    return ItemVectors(str(rows.candidates["item_model_version"][place]), rows.candidates["item_tokens"][place])
