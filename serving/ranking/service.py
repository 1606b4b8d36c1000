"""Ranking service: turns a request and its features into model inputs, and logits into a ranked slate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from models.features import ages_since
from models.graph.impressions import KINDS, OUTCOME
from models.spec import Spec
from models.spec.serving import Serving
from models.time_features import UNKNOWN, derive_time_features
from serving.ranking.candidates import candidate_inputs
from serving.ranking.explain import Explainer
from serving.ranking.keys import Key
from serving.ranking.reader import ItemVectors, MemberVectors, OnlineFeatures
from serving.ranking.request import RankingRequest
from serving.ranking.rules import POPULARITY, RuleResult, Seen, apply_rules
from serving.ranking.scorer import Scorer, SlateInputs
from serving.ranking.slate import NOTHING_FOREIGN, ForeignVectors, Reasons, Slate, SlateIds, is_column
from serving.ranking.staleness import NOTHING_STALE, Staleness
from serving.versions.prior import Prior


class Reader(Protocol):
    """Source of vectors and counters, such as ``serving.ranking.reader.OnlineReader``."""

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        """Read the request's features from the store. Raises UnavailableError."""

    async def close(self) -> None:
        """Release the connections."""


@dataclass(frozen=True)
class _ReadFacts:
    """What the slate reports about its feature read; the defaults describe a fallback."""

    as_of: int = 0
    state_as_of: int | None = None
    member_cold: bool = True
    fallback: bool = True
    foreign: ForeignVectors = NOTHING_FOREIGN
    rows_ahead: int = 0
    stale: Staleness = NOTHING_STALE


@dataclass(frozen=True)
class RankingService:
    """Ranks the candidates of a request with one version of one model."""

    spec: Spec
    scorer: Scorer
    reader: Reader
    version: str
    prior: Prior

    def unknown(self) -> RankingRequest:
        """Build a request of unknown keys, which every store can serve."""
        spec = self.spec
        keys: dict[str, Key] = {"int": -1, "string": "-"}
        member, item = (keys[spec.nodes[column.node].key_type] for _, column in spec.node_columns())
        return RankingRequest(member, (item,), spec.impressions.surfaces[0], spec.span("test").end)

    def warm(self) -> None:
        """Score a slate of unknown keys, so that the first real request is as fast as later ones."""
        request, online = self.unknown(), OnlineFeatures.nothing(1)
        inputs = self.inputs(request, online)
        self.slate(SlateIds("warm", "warm"), request, online, inputs, self.scorer.logits(inputs))

    def inputs(self, request: RankingRequest, online: OnlineFeatures) -> SlateInputs:
        """Build the model's inputs from what ``reader`` read for the request; unusable vectors count as cold."""
        member = online.member if self._usable_member(online.member) else None
        tokens, known = self._usable_items(online.items)
        return SlateInputs(
            member_tokens=None if member is None else member.tokens,
            activity_tokens=None if member is None else member.activity_tokens,
            activity_times=None if member is None else member.activity_times,
            as_of=None if member is None else member.as_of,
            item_tokens=tokens,
            item_known=known,
            features=self.features(request, online),
            surface=request.surface,
            time=request.time,
        )

    def features(self, request: RankingRequest, online: OnlineFeatures) -> dict[str, np.ndarray | float | str]:
        """The decoder's raw inputs by name, (C,), or one for all; ages and clock as of the request's time."""
        unknown = {name: np.array([UNKNOWN]) for name in ages_since(self.spec)}
        # What was pushed while the request was on its way has just happened; it does not lie in the future.
        times = {
            name: np.where((values > request.time) & (values <= online.as_of), request.time, values)
            for name, values in online.times.items()
        }
        timed = derive_time_features(self.spec, np.array([request.time]), {**unknown, **times})
        read = {**online.counters, **online.collaborative.features}
        given = candidate_inputs(self.spec.impressions.typed_candidates, request.candidates)
        return {**read, **request.context, **given, **timed}

    def slate(
        self,
        ids: SlateIds,
        request: RankingRequest,
        online: OnlineFeatures,
        inputs: SlateInputs,
        logits: np.ndarray,
        reasons: Reasons | None = None,
    ) -> Slate:
        """Calibrate, apply the business rules, rank. ``logits`` (C, T): the model's output for ``inputs``."""
        probabilities = self.scorer.calibrate(logits, inputs)
        result = self._apply_rules(ids, request, probabilities, online)
        facts = _ReadFacts(
            as_of=online.as_of,
            state_as_of=inputs.as_of,
            member_cold=inputs.member_tokens is None,
            fallback=False,
            foreign=self._foreign(online),
            rows_ahead=online.ahead,
            stale=Staleness.of(self.spec.serving.max_age, online),
        )
        slate = self._slate(ids, request, probabilities, ~inputs.item_known, inputs.features, result, facts)
        return slate if reasons is None else replace(slate, reasons=[reasons[place] for place in result.order])

    def explain(self, inputs: SlateInputs, online: OnlineFeatures, pause: Callable[[], None] = lambda: None) -> Reasons:
        """Find what changed each candidate's score most; ``pause`` is called before each pass of the model."""
        found = self._explainer.reasons(inputs, online, pause)
        return [[reason.to_json() for reason in reasons] for reasons in found]

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self.scorer, self.spec)

    def popular(self, ids: SlateIds, request: RankingRequest) -> Slate:
        """Rank by the popularity prior, the fallback without a feature read; no business rule is applied."""
        probabilities = self.prior.probabilities(request.items)
        count = len(request.items)
        cold = np.ones(count, bool)
        scores = probabilities[self.spec.primary_task]
        result = apply_rules(Serving(), scores, [None] * count, [""] * count, 0, ids.slate)
        result = result._replace(adjustments=[[POPULARITY]] * count)
        features = self.features(request, OnlineFeatures.nothing(count))
        return self._slate(ids, request, probabilities, cold, features, result, _ReadFacts())

    def _apply_rules(
        self, ids: SlateIds, request: RankingRequest, probabilities: Mapping[str, np.ndarray], online: OnlineFeatures
    ) -> RuleResult:
        rules = self.spec.serving
        acted_on = self._acted_on(request, online.member)
        seen = [acted_on.get(str(item)) for item in request.items]
        creators = [creator or "" for creator in online.items.creator]
        scores, exposures = probabilities[self.spec.primary_task], self._exposures(online)
        return apply_rules(rules, scores, seen, creators, exposures, ids.slate)

    def _acted_on(self, request: RankingRequest, member: MemberVectors | None) -> dict[str, Seen]:
        """By key, as text, of an item: the newest of the member's latest activities before the request that target it.

        Vectors of other encoders hold the same activities, so they count too. Malformed ones (columns of unequal
        length) are ignored.
        """
        if member is None or self.spec.serving.seen_discount is None:
            return {}
        columns = (member.activity_edges, member.activity_keys, member.activity_times)
        if len({column.size for column in columns}) > 1:
            return {}
        found: dict[str, Seen] = {}
        for edge, key, moment in zip(*columns, strict=True):
            if edge in self._item_edges and moment < request.time and (key not in found or moment > found[key].time):
                found[key] = Seen(edge, int(moment))
        return found

    @cached_property
    def _item_edges(self) -> set[str]:
        """Edge types whose target is a candidate item, and the outcome of an impression (family ``sequence``)."""
        item = self.spec.impressions.item.node
        return {KINDS[OUTCOME], *(name for name, edge in self.spec.edges.items() if edge.target.node == item)}

    def _exposures(self, online: OnlineFeatures) -> float:
        """The member's exposures within the frequency cap's window."""
        cap = self.spec.serving.frequency_cap
        if cap is None or not online.counters:  # without counters: the warm-up slate
            return 0.0
        return float(online.counters[f"{cap.counter}_exposures"][0])

    def _slate(
        self,
        ids: SlateIds,
        request: RankingRequest,
        probabilities: Mapping[str, np.ndarray],
        cold: np.ndarray,
        features: Mapping[str, np.ndarray | float | str],
        result: RuleResult,
        facts: _ReadFacts,
    ) -> Slate:
        """Put every column, which is by candidate, into ranked order."""
        order = result.order
        places = order.tolist()
        read = {feature.name: features.get(feature.name) for feature in self.scorer.features}
        return Slate(
            ids=ids,
            member=request.member,
            surface=request.surface,
            time=request.time,
            model_version=self.version,
            items=[request.items[place] for place in places],
            cold=cold[order],
            capped=result.capped[order],
            scores=result.scores[order],
            propensities=result.propensities[order],
            adjustments=[result.adjustments[place] for place in places],
            probabilities={task: values[order] for task, values in probabilities.items()},
            features={name: values[order] if is_column(values) else values for name, values in read.items()},
            relative=self.scorer.relative,
            text_keys=request.text_keys,
            **vars(facts),
        )

    def _usable_member(self, vectors: MemberVectors | None) -> bool:
        """Whether the vectors were made by this version's encoder, have this model's sizes, and are finite."""
        if vectors is None or vectors.encoder != self.scorer.encoder:
            return False
        activities = (vectors.activity_times, vectors.activity_edges, vectors.activity_keys)
        sizes = (vectors.tokens.size, vectors.activity_tokens.size, *(column.size for column in activities))
        expected = (self.scorer.member_token_size, self.scorer.activity_size, *[self.scorer.activities] * 3)
        return sizes == expected and _finite(vectors.tokens) and _finite(vectors.activity_tokens)

    def _usable_items(self, items: ItemVectors) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (C, H * w), and which are usable, (C,) bool; the others are zeros."""
        size, count = self.scorer.item_token_size, len(items.encoder)
        known = (items.encoder == self.scorer.encoder) & (items.tokens.lengths == size)
        if known.all():
            tokens = items.tokens.values[items.tokens.offsets[0] : items.tokens.offsets[-1]].reshape(count, size)
        else:
            tokens = np.zeros((count, size), np.float32)
            tokens[known] = items.tokens.take(np.flatnonzero(known)).values.reshape(-1, size)
        return tokens, known & np.isfinite(tokens).all(axis=1)

    def _foreign(self, online: OnlineFeatures) -> ForeignVectors:
        """Count the vectors that another encoder made."""

        def foreign(encoder: str | None) -> bool:
            return encoder is not None and encoder != self.scorer.encoder

        member = online.member is not None and foreign(online.member.encoder)
        return ForeignVectors(int(member), sum(map(foreign, online.items.encoder)))


def _finite(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all())
