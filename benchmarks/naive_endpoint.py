"""Naive endpoint: a KServe model that reads with Feast's SDK and scores candidate by candidate.

Model, store, values and response are the same as ours. ``benchmarks.endpoint`` calls ``serve`` in a separate process.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.counters.columns import state_columns
from models.counters.derive import derive
from models.counters.ragged import Ragged
from models.features import ITEM_VECTORS, MEMBER_VECTORS, SLOTS, compared_attributes, vector_view
from models.spec import Spec
from models.spec.counter_plans import counter_plans
from serving.ranking.reader import ItemVectors, MemberVectors, OnlineFeatures
from serving.ranking.request import RankingRequest, RequestParser
from serving.ranking.scorer import Scorer
from serving.ranking.service import RankingService
from serving.ranking.slate import SlateIds
from serving.settings.settings import Settings
from serving.versions.bundle import read_spec
from serving.versions.prior import Prior

_MEMBER = ("member_tokens", "activity_tokens", "activity_times", "member_encoder")
_ITEM = ("item_tokens", "item_encoder")


def serve(settings: Path) -> None:
    """Serve until killed."""
    import kserve
    import torch

    torch.set_num_threads(1)
    chosen = Settings.read(settings)
    spec, scorer = read_spec(Path(chosen.bundle)), Scorer(Path(chosen.bundle))
    reader, parser = FeastReader(Path(chosen.store_config), spec), RequestParser(spec)
    service = RankingService(spec, scorer, reader, chosen.version, Prior.empty(spec))

    class NaiveModel(kserve.Model):
        def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            """Rank the slates one after another."""
            return {"predictions": [self._slate(request) for request in parser.parse(payload)]}

        def _slate(self, request: RankingRequest) -> dict[str, Any]:
            state = reader.read_now(request)
            inputs = service.inputs(request, state)
            logits = []
            for candidate in range(len(inputs)):
                one = slice(candidate, candidate + 1)
                features = {name: _of(values, one) for name, values in inputs.features.items()}
                tokens, known = inputs.item_tokens[one], inputs.item_known[one]
                logits.append(scorer.logits(replace(inputs, item_tokens=tokens, item_known=known, features=features)))
            return service.slate(SlateIds("naive", "naive"), request, state, inputs, np.concatenate(logits)).to_json()

    model = NaiveModel(chosen.name)
    model.ready = True
    kserve.ModelServer(http_port=chosen.port, enable_grpc=False).start([model])


class FeastReader:
    """Reads features with ``get_online_features``: one row per candidate, each with the member's keys."""

    def __init__(self, store_config: Path, spec: Spec) -> None:
        from feast import FeatureStore

        self._spec, shown = spec, spec.impressions
        self._member, self._item = spec.nodes[shown.member.node].key, spec.nodes[shown.item.node].key
        self._store = FeatureStore(repo_path=str(store_config.parent), fs_yaml_file=store_config)
        self._plans = counter_plans(spec)
        counted = [f"{view}:{column}" for view, plan in self._plans.items() for column in state_columns(plan)]
        self._features = [f"{vector_view(MEMBER_VECTORS, SLOTS[0])}:{name}" for name in _MEMBER]
        self._features += [f"{vector_view(ITEM_VECTORS, SLOTS[0])}:{name}" for name in _ITEM] + counted
        self._features += [f"{view}:{feature}" for feature, view in compared_attributes(spec).items()]

    def read_now(self, request: RankingRequest) -> OnlineFeatures:
        """Read the request's features."""
        keys = {self._member: request.member, self._spec.impressions.surface: request.surface}
        rows = [{**keys, self._item: item} for item in request.items]
        response = self._store.get_online_features(features=self._features, entity_rows=rows)
        values = response.to_dict()
        found: dict[str, np.ndarray] = {}
        as_of = np.full(len(rows), request.time)
        own = {key: np.array([row[key] for row in rows], object) for key in (*keys, self._item)}
        own |= {feature: np.array(values[feature], object) for feature in compared_attributes(self._spec)}
        for counter in self._spec.counters:
            state = {
                column: _column(values[column], kind)
                for view in (counter, "overall")
                for column, kind in state_columns(self._plans[view]).items()
            }
            found |= derive(self._plans[counter], state, state, as_of, own)
        encoder = values["member_encoder"][0]
        place = list(response.proto.metadata.feature_names.val).index("member_encoder")
        moment = response.proto.results[place].event_timestamps[0].ToMicroseconds()
        return OnlineFeatures(
            None if encoder is None else self._vectors(encoder, values, moment), self._items(values), found, moment
        )

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        """Read the request's features; blocks the event loop."""
        return self.read_now(request)

    async def close(self) -> None:
        """Nothing to release."""

    def _vectors(self, encoder: str, values: dict[str, list[Any]], as_of: int) -> MemberVectors:
        first = {name: values[name][0] for name in _MEMBER}
        times = np.array([_microseconds(value) for value in first["activity_times"]], np.int64)
        blank = np.full(len(times), "", object)
        return MemberVectors(
            encoder=encoder,
            tokens=np.array(first["member_tokens"], np.float32),
            activity_tokens=np.array(first["activity_tokens"], np.float32),
            activity_times=times,
            activity_edges=blank,
            activity_keys=blank,
            as_of=as_of,
        )

    def _items(self, values: dict[str, list[Any]]) -> ItemVectors:
        blank = np.full(len(values["item_tokens"]), "", object)
        tokens = Ragged.of([value or [] for value in values["item_tokens"]], np.float32)
        unread = np.zeros(len(blank), np.int64)
        return ItemVectors(np.array(values["item_encoder"], object), tokens, blank, blank, unread)


def _of(values: Any, one: slice) -> Any:
    return values[one] if isinstance(values, np.ndarray) and len(values) > 1 else values


def _column(values: Sequence[Any], kind: str) -> Any:
    if kind == "int":
        return np.array([value or 0 for value in values], np.int64)
    return Ragged.of([value or [] for value in values])


def _microseconds(value: Any) -> int:
    return value if isinstance(value, int) else round(value.timestamp() * 1_000_000)
