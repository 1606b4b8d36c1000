import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.spec import parse_spec
from models.training.artifact import save_model
from serving.answering import Answering
from serving.errors import RequestError, UnavailableError
from serving.limits import Limits
from serving.reader import ItemVectors, MemberVectors, OnlineState
from serving.request import RankingRequest
from serving.scorer import Scorer
from serving.served import ServedLog
from serving.service import RankingService
from tests.serving.world import TEXT, tiny_graph, tiny_model

SPEC = parse_spec(TEXT)
REQUEST = RankingRequest(1, (10, 11, 12), "push", 1_768_892_400_000_000, {"device": "phone"})


class FixedReader:
    """Answers with one state, or never."""

    def __init__(self, state: OnlineState) -> None:
        self.state = state
        self.answers = True

    async def read(self, request: RankingRequest) -> OnlineState:
        if not self.answers:
            await asyncio.Future()
        return self.state

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer(save_model(tiny_model(tiny_graph(SPEC)), tmp_path_factory.mktemp("artifact") / "model"))


@pytest.fixture
def state(scorer: Scorer) -> OnlineState:
    random = np.random.default_rng(0)

    def tokens(size: int) -> np.ndarray:
        return random.normal(size=size).astype(np.float32)

    member = MemberVectors(
        "2", tokens(scorer.member_token_size), tokens(scorer.activity_size), np.zeros(scorer.activities, np.int64), 0
    )
    items: list[ItemVectors | None] = [ItemVectors("2", tokens(scorer.item_token_size)) for _ in range(3)]
    return OnlineState(member, items, [{"item_counts_exposures": float(place)} for place in range(3)])


def service(scorer: Scorer, state: OnlineState) -> RankingService:
    return RankingService(SPEC, scorer, FixedReader(state), "2")


def test_a_slate_falls_by_the_primary_task(scorer: Scorer, state: OnlineState) -> None:
    slate = service(scorer, state).rank(REQUEST, state)
    clicks = [ranked.probabilities["click"] for ranked in slate.items]
    assert clicks == sorted(clicks, reverse=True)
    assert sorted(ranked.item for ranked in slate.items) == [10, 11, 12]
    assert not slate.member_cold
    assert not any(ranked.cold for ranked in slate.items)
    features = {ranked.item: ranked.features for ranked in slate.items}
    assert features[12]["item_counts_exposures"] == 2.0
    assert features[12]["device"] == "phone"
    assert features[12]["position"] is None


@pytest.mark.parametrize("fault", ["of another version", "of another size", "not finite"])
def test_vectors_that_do_not_fit_are_cold(scorer: Scorer, state: OnlineState, fault: str) -> None:
    member, item = state.member, state.items[0]
    assert member is not None
    assert item is not None
    tokens = {"of another size": item.tokens[1:], "not finite": item.tokens * np.nan}.get(fault, item.tokens)
    version = "1" if fault == "of another version" else "2"
    broken = OnlineState(
        replace(member, version=version, tokens=tokens),
        [ItemVectors(version, tokens), *state.items[1:]],
        state.counters,
    )
    absent = OnlineState(None, [None, *state.items[1:]], state.counters)
    found, expected = (service(scorer, s).rank(REQUEST, s) for s in (broken, absent))
    assert found.member_cold
    assert {ranked.item for ranked in found.items if ranked.cold} == {10}
    assert found.items == expected.items
    assert found.foreign_vectors == (2 if fault == "of another version" else 0)
    assert expected.foreign_vectors == 0


def test_a_slow_store_is_unavailable_in_time(scorer: Scorer, state: OnlineState, tmp_path: Path) -> None:
    slow = service(scorer, state)
    answering = Answering("m", slow, ServedLog(tmp_path, "m"), Limits(read_seconds=0.05))
    document = {"instances": [{"member": 1, "items": [10, 11, 12], "context": {"surface": "push"}}]}
    reader = slow.reader
    assert isinstance(reader, FixedReader)
    reader.answers = False
    with pytest.raises(UnavailableError, match=r"within 0.05 s"):
        asyncio.run(answering.document(document))
    reader.answers = True
    with pytest.raises(RequestError):
        asyncio.run(answering.document({"instances": [{}]}))
    answering.close()
