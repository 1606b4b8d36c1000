"""One request to one slate: what the model is asked, and what becomes of its logits. No protocol in here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from models.spec import Spec
from models.spec.serving import Serving
from serving.ranking.explain import Explainer
from serving.ranking.reader import ItemVectors, MemberVectors, OnlineFeatures
from serving.ranking.request import Key, RankingRequest
from serving.ranking.rules import POPULARITY, RuleResult, apply_rules
from serving.ranking.scorer import Scorer, SlateInputs
from serving.ranking.slate import Reasons, Slate, is_column
from serving.versions.prior import Prior


class Reader(Protocol):
    """Where vectors and counters come from (``serving.ranking.reader.OnlineReader``)."""

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        """What the store holds for the request; raises UnavailableError."""

    async def close(self) -> None:
        """Give the connections back."""


@dataclass(frozen=True)
class RankingService:
    """Ranks the candidates of a request with one version of one model."""

    spec: Spec
    scorer: Scorer
    reader: Reader
    version: str
    prior: Prior

    def unknown(self) -> RankingRequest:
        """A request of keys that nobody has: what any store can answer."""
        spec = self.spec
        keys: dict[str, Key] = {"int": -1, "string": "-"}
        member, item = (keys[spec.nodes[column.node].key_type] for _, column in spec.node_columns())
        return RankingRequest(member, (item,), spec.impressions.surfaces[0], spec.span("test").end)

    def warm(self) -> None:
        """Score a slate of unknown keys, so that the first request is not the slow one."""
        request, state = self.unknown(), OnlineFeatures.nothing(1)
        inputs = self.inputs(request, state)
        self.slate("warm", request, state, inputs, self.scorer.logits(inputs))

    def inputs(self, request: RankingRequest, state: OnlineFeatures) -> SlateInputs:
        """What the model is asked; ``state`` is what ``reader`` read for the request. Unusable vectors are absent."""
        member = state.member if self._usable_member(state.member) else None
        tokens, known = self._usable_items(state.items)
        return SlateInputs(
            member_tokens=None if member is None else member.tokens,
            activity_tokens=None if member is None else member.activity_tokens,
            activity_times=None if member is None else member.activity_times,
            as_of=None if member is None else member.as_of,
            item_tokens=tokens,
            item_known=known,
            features={**state.counters, **request.context},
            surface=request.surface,
            time=request.time,
        )

    def slate(
        self,
        request_id: str,
        request: RankingRequest,
        state: OnlineFeatures,
        inputs: SlateInputs,
        logits: np.ndarray,
        reasons: Reasons | None = None,
    ) -> Slate:
        """Calibrate, apply the business rules, rank. ``inputs``: of the request; ``logits`` (C, T): the model's."""
        probabilities = self.scorer.calibrate(logits)
        return self._slate(
            request_id,
            request,
            probabilities,
            ~inputs.item_known,
            inputs.features,
            self._apply_rules(request, probabilities, state),
            reasons,
            as_of=state.as_of,
            state_as_of=inputs.as_of,
            member_cold=inputs.member_tokens is None,
            fallback=False,
            foreign_vectors=self._foreign(state),
            rows_ahead=state.ahead,
        )

    def explain(self, inputs: SlateInputs, state: OnlineFeatures, pause: Callable[[], None] = lambda: None) -> Reasons:
        """What moved the score of each candidate most; ``pause`` is called before each pass of the model."""
        found = self._explainer.reasons(inputs, state, pause)
        return [[reason.to_json() for reason in reasons] for reasons in found]

    @cached_property
    def _explainer(self) -> Explainer:
        return Explainer(self.scorer, self.spec)

    def popular(self, request_id: str, request: RankingRequest) -> Slate:
        """The slate by popularity: nothing is known of the member, and no rule that asks for more is applied."""
        probabilities = self.prior.probabilities(request.items)
        count = len(request.items)
        nothing = np.zeros(count, bool)
        result = apply_rules(Serving(), probabilities[self.spec.primary_task], nothing, [""] * count, 0)
        return self._slate(
            request_id,
            request,
            probabilities,
            ~nothing,
            request.context,
            result._replace(adjustments=[[POPULARITY]] * count),
            None,
            as_of=0,
            state_as_of=None,
            member_cold=True,
            fallback=True,
            foreign_vectors=0,
            rows_ahead=0,
        )

    def _apply_rules(
        self, request: RankingRequest, probabilities: Mapping[str, np.ndarray], state: OnlineFeatures
    ) -> RuleResult:
        rules = self.spec.serving
        acted_on = self._acted_on(request, state.member)
        seen = np.array([str(item) in acted_on for item in request.items])
        creators = [creator or "" for creator in state.items.creator]
        return apply_rules(rules, probabilities[self.spec.primary_task], seen, creators, self._shown(state))

    def _acted_on(self, request: RankingRequest, member: MemberVectors | None) -> set[str]:
        """Keys, as text, of the items that the member's last activities before the request are about.

        Vectors of another version know them as well, so those count too; columns of unequal length know nothing.
        """
        if member is None or self.spec.serving.seen_discount is None:
            return set()
        columns = (member.activity_edges, member.activity_keys, member.activity_times)
        if len({column.size for column in columns}) > 1:
            return set()
        activities = zip(*columns, strict=True)
        return {key for edge, key, moment in activities if edge in self._item_edges and moment < request.time}

    @cached_property
    def _item_edges(self) -> set[str]:
        """Edge types whose target is a candidate item."""
        return {name for name, edge in self.spec.edges.items() if edge.target.node == self.spec.impressions.item.node}

    def _shown(self, state: OnlineFeatures) -> float:
        """How many items the member was shown within the cap's window."""
        cap = self.spec.serving.frequency_cap
        if cap is None or not state.counters:  # nothing was read: the warm slate
            return 0.0
        return float(state.counters[f"{cap.counter}_exposures"][0])

    def _slate(
        self,
        request_id: str,
        request: RankingRequest,
        probabilities: Mapping[str, np.ndarray],
        cold: np.ndarray,
        features: Mapping[str, np.ndarray | float | str],
        result: RuleResult,
        reasons: Reasons | None,
        *,
        as_of: int,
        state_as_of: int | None,
        member_cold: bool,
        fallback: bool,
        foreign_vectors: int,
        rows_ahead: int,
    ) -> Slate:
        """Everything by candidate, put into ranked order."""
        order = result.order
        places = order.tolist()
        given = {feature.name: features.get(feature.name) for feature in self.scorer.features}
        return Slate(
            request_id=request_id,
            member=request.member,
            surface=request.surface,
            time=request.time,
            as_of=as_of,
            member_cold=member_cold,
            model_version=self.version,
            fallback=fallback,
            items=[request.items[place] for place in places],
            cold=cold[order],
            capped=result.capped[order],
            scores=result.scores[order],
            adjustments=[result.adjustments[place] for place in places],
            probabilities={task: values[order] for task, values in probabilities.items()},
            features={name: values[order] if is_column(values) else values for name, values in given.items()},
            foreign_vectors=foreign_vectors,
            rows_ahead=rows_ahead,
            state_as_of=state_as_of,
            reasons=None if reasons is None else [reasons[place] for place in places],
        )

    def _usable_member(self, vectors: MemberVectors | None) -> bool:
        """Made by this version, of this model's sizes, finite: anything else is scored cold."""
        if vectors is None or vectors.version != self.version:
            return False
        activities = (vectors.activity_times, vectors.activity_edges, vectors.activity_keys)
        sizes = (vectors.tokens.size, vectors.activity_tokens.size, *(column.size for column in activities))
        expected = (self.scorer.member_token_size, self.scorer.activity_size, *[self.scorer.activities] * 3)
        return sizes == expected and _finite(vectors.tokens) and _finite(vectors.activity_tokens)

    def _usable_items(self, items: ItemVectors) -> tuple[np.ndarray, np.ndarray]:
        """Tokens (C, H * w), and which of them may be used, (C,) bool; the rows of others are zeros."""
        size, count = self.scorer.item_token_size, len(items.version)
        known = (items.version == self.version) & (items.tokens.lengths == size)
        if known.all():
            tokens = items.tokens.values[items.tokens.offsets[0] : items.tokens.offsets[-1]].reshape(count, size)
        else:
            tokens = np.zeros((count, size), np.float32)
            tokens[known] = items.tokens.take(np.flatnonzero(known)).values.reshape(-1, size)
        return tokens, known & np.isfinite(tokens).all(axis=1)

    def _foreign(self, state: OnlineFeatures) -> int:
        """Vectors that another model version made."""
        versions = [None if state.member is None else state.member.version, *state.items.version]
        return sum(version is not None and version != self.version for version in versions)


def _finite(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all())
