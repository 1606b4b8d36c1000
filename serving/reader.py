"""The online reader: what Feast's online store holds for one request."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from models.features import ITEM_VECTORS, MEMBER_VECTORS, counter_columns
from models.spec import Spec
from serving.errors import UnavailableError
from serving.request import RankingRequest


@dataclass(frozen=True)
class MemberVectors:
    """A member's tokens as pushed. ``activity_times`` are microseconds UTC, 0 where there is no activity."""

    version: str
    tokens: np.ndarray
    """(graph_tokens * width,) float32."""
    activity_tokens: np.ndarray
    """(activities * width,) float32."""
    activity_times: np.ndarray
    """(activities,) int64."""


@dataclass(frozen=True)
class ItemVectors:
    """An item's tokens as pushed."""

    version: str
    tokens: np.ndarray
    """(graph_tokens * width,) float32."""


@dataclass(frozen=True)
class OnlineState:
    """What the store holds for a request; None for a key without vectors."""

    member: MemberVectors | None
    items: list[ItemVectors | None]
    counters: list[dict[str, float]] = field(default_factory=list)
    """One mapping per item; a counter without a row is absent."""


class OnlineReader:
    """Reads vectors and counters through ``get_online_features``.

    ``store_config`` is a feature_store.yaml with absolute paths (``feature_repo.apply`` writes it to
    state/feast/feature_store.yaml), so that this package needs none of the definitions.
    """

    def __init__(self, store_config: Path, spec: Spec) -> None:
        if not store_config.is_file():
            raise UnavailableError(
                f"{store_config}: expected the rendered configuration of the feature store; found none. Apply the "
                "feature repository first."
            )
        for variable in ("FEAST_USAGE", "FEAST_TELEMETRY"):
            os.environ.setdefault(variable, "False")
        from feast import FeatureStore

        self._store = FeatureStore(repo_path=str(store_config.parent), fs_yaml_file=store_config)
        shown = spec.impressions
        self._member_key, self._item_key = spec.nodes[shown.member.node].key, spec.nodes[shown.item.node].key
        self._surface_key = shown.surface
        self._shared = _Columns(spec, [name for name, counter in spec.counters.items() if "item" not in counter.keys])
        self._by_item = _Columns(spec, [name for name, counter in spec.counters.items() if "item" in counter.keys])

    def read(self, request: RankingRequest) -> OnlineState:
        """Two reads: the member with the surface once, and one row per item. Raises UnavailableError."""
        whom = {self._member_key: request.member}
        where = {self._surface_key: request.surface}
        # A join key that no requested view has would be echoed as a feature: give each read only its own keys.
        shared = {**whom, **(where if self._shared.has("surface") else {})}
        each = {**(whom if self._by_item.has("member") else {}), **(where if self._by_item.has("surface") else {})}
        once = self._online([*_MEMBER_FEATURES, *self._shared.references], [shared])
        rows = self._online(
            [*_ITEM_FEATURES, *self._by_item.references], [{self._item_key: item, **each} for item in request.items]
        )
        count = len(request.items)
        common = _present(once, self._shared.names, 0)
        return OnlineState(
            member=_member(once),
            items=[_item(rows, place) for place in range(count)],
            counters=[{**common, **_present(rows, self._by_item.names, place)} for place in range(count)],
        )

    def _online(self, features: list[str], rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
        try:
            return self._store.get_online_features(features=features, entity_rows=rows).to_dict()
        except Exception as error:
            # Whatever a store raises (locked, gone, unreachable): for the caller it is one thing.
            raise UnavailableError(f"the online store could not be read: {type(error).__name__}") from error


_MEMBER_FEATURES = [
    f"{MEMBER_VECTORS}:{name}"
    for name in ("member_tokens", "activity_tokens", "activity_times", "member_model_version")
]
_ITEM_FEATURES = [f"{ITEM_VECTORS}:{name}" for name in ("item_tokens", "item_model_version")]


class _Columns:
    """The counter columns of one read."""

    def __init__(self, spec: Spec, counters: list[str]) -> None:
        self._keys = {role for name in counters for role in spec.counters[name].keys}
        self.names = [column for name in counters for column in counter_columns(spec, name)]
        self.references = [f"{name}:{column}" for name in counters for column in counter_columns(spec, name)]

    def has(self, role: str) -> bool:
        """Whether a counter of this read is keyed by that role."""
        return role in self._keys


def _member(found: dict[str, list[Any]]) -> MemberVectors | None:
    tokens, version = found["member_tokens"][0], found["member_model_version"][0]
    if not tokens or version is None:
        return None
    return MemberVectors(
        version=str(version),
        tokens=np.asarray(tokens, np.float32),
        activity_tokens=np.asarray(found["activity_tokens"][0] or [], np.float32),
        activity_times=np.asarray(found["activity_times"][0] or [], np.int64),
    )


def _item(found: dict[str, list[Any]], place: int) -> ItemVectors | None:
    tokens, version = found["item_tokens"][place], found["item_model_version"][place]
    return None if not tokens or version is None else ItemVectors(str(version), np.asarray(tokens, np.float32))


def _present(found: dict[str, list[Any]], names: list[str], place: int) -> dict[str, float]:
    return {name: float(found[name][place]) for name in names if found[name][place] is not None}
