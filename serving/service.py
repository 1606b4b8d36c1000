"""One request to one slate: read, score, rank. No protocol in here."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.spec import Spec
from serving.reader import ItemVectors, MemberVectors, OnlineState
from serving.request import RankingRequest
from serving.scorer import Scorer
from serving.slate import RankedItem, Slate


class Reader(Protocol):
    """Where vectors and counters come from (``serving.reader.OnlineReader``)."""

    async def read(self, request: RankingRequest) -> OnlineState:
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

    def rank(self, request: RankingRequest, state: OnlineState) -> Slate:
        """The slate, by falling probability of the primary task; ``state`` is what ``reader`` read for the request."""
        member = state.member if self._usable_member(state.member) else None
        items = [item if self._usable_item(item) else None for item in state.items]
        features = [{**counters, **request.context} for counters in state.counters]
        probabilities = self.scorer.score(
            member_tokens=None if member is None else member.tokens,
            activity_tokens=None if member is None else member.activity_tokens,
            activity_times=None if member is None else member.activity_times,
            as_of=None if member is None else member.as_of,
            item_tokens=[None if item is None else item.tokens for item in items],
            features=features,
            surface=request.surface,
            time=request.time,
        )
        names = [feature.name for feature in self.scorer.features]
        order = np.argsort(-probabilities[self.spec.primary_task], kind="stable")
        ranked = tuple(
            RankedItem(
                item=request.items[place],
                cold=items[place] is None,
                probabilities={task: float(values[place]) for task, values in probabilities.items()},
                features={name: features[place].get(name) for name in names},
            )
            for place in order
        )
        found = [state.member, *state.items]
        return Slate(
            member=request.member,
            surface=request.surface,
            time=request.time,
            member_cold=member is None,
            model_version=self.version,
            items=ranked,
            foreign_vectors=sum(vectors is not None and vectors.version != self.version for vectors in found),
        )

    def _usable_member(self, vectors: MemberVectors | None) -> bool:
        """Made by this version, of this model's sizes, finite: anything else is scored cold."""
        if vectors is None or vectors.version != self.version:
            return False
        sizes = (vectors.tokens.size, vectors.activity_tokens.size, vectors.activity_times.size)
        expected = (self.scorer.member_token_size, self.scorer.activity_size, self.scorer.activities)
        return sizes == expected and _finite(vectors.tokens) and _finite(vectors.activity_tokens)

    def _usable_item(self, vectors: ItemVectors | None) -> bool:
        if vectors is None or vectors.version != self.version:
            return False
        return vectors.tokens.size == self.scorer.item_token_size and _finite(vectors.tokens)


def _finite(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all())
