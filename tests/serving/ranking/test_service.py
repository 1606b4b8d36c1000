from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.counters.ragged import Ragged
from models.spec.serving import Diversity, Explore, FrequencyCap, MaxAge, SeenDiscount, Serving
from models.time_units import HOUR, SECOND, iso
from models.training.artifact import save_model
from serving.ranking.reader import ItemVectors, MemberVectors, OnlineFeatures
from serving.ranking.request import RankingRequest
from serving.ranking.scorer import Scorer
from serving.ranking.service import RankingService
from serving.ranking.slate import Slate, SlateIds
from serving.versions.prior import Prior
from tests.serving.world import shared_model, world_spec

SPEC = world_spec()
REQUEST = RankingRequest(1, (10, 11, 12), "push", 1_768_892_400_000_000, {"device": "phone"})


class NoReader:
    """A reader that must not be called: the tests build the features themselves."""

    async def read(self, request: RankingRequest) -> OnlineFeatures:
        raise AssertionError

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    scorer = Scorer(save_model(shared_model(), tmp_path_factory.mktemp("artifact") / "model"))
    scorer.encoder = "2"  # shorter than a digest
    return scorer


def texts(*values: str | None) -> np.ndarray:
    return np.array(values, object)


@pytest.fixture
def member(scorer: Scorer) -> MemberVectors:
    random, count = np.random.default_rng(0), scorer.activities
    return MemberVectors(
        encoder="2",
        tokens=random.normal(size=scorer.member_token_size).astype(np.float32),
        activity_tokens=random.normal(size=scorer.activity_size).astype(np.float32),
        activity_times=np.zeros(count, np.int64),
        activity_edges=texts(*[""] * count),
        activity_keys=texts(*[""] * count),
        as_of=0,
    )


def items_of(tokens: list[Any], *encoders: str | None, creators: tuple[str | None, ...] = ()) -> ItemVectors:
    rows = Ragged.of(tokens, np.float32)
    count = len(tokens)
    texts_of = (texts(*(creators or [""] * count)), texts(*[None] * count))
    return ItemVectors(texts(*encoders), rows, *texts_of, np.zeros(count, np.int64))


@pytest.fixture
def tokens(scorer: Scorer) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.normal(size=scorer.item_token_size).astype(np.float32) for _ in range(3)]


@pytest.fixture
def state(member: MemberVectors, tokens: list[np.ndarray]) -> OnlineFeatures:
    counters = {
        "item_counts_exposures": np.arange(3, dtype=np.float32),
        "member_counts_exposures": np.array([2], np.float32),
    }
    return OnlineFeatures(member, items_of(tokens, "2", "2", "2", creators=("ann", "ann", None)), counters)


def ranked(scorer: Scorer, state: OnlineFeatures, rules: Serving | None = None) -> Slate:
    spec = SPEC.model_copy(update={"serving": rules or Serving()})
    service = RankingService(spec, scorer, NoReader(), "2", Prior.empty(spec))
    inputs = service.inputs(REQUEST, state)
    return service.slate(SlateIds("mine", "call"), REQUEST, state, inputs, scorer.logits(inputs))


def by_item(slate: Slate, values: np.ndarray) -> dict[int | str, float]:
    return dict(zip(slate.items, values.tolist(), strict=True))


def chances(slate: Slate) -> Mapping[int | str, float]:
    return by_item(slate, slate.probabilities["click"])


def test_a_slate_falls_by_the_primary_task(scorer: Scorer, state: OnlineFeatures) -> None:
    slate = ranked(scorer, state)
    assert (np.diff(slate.probabilities["click"]) <= 0).all()
    np.testing.assert_array_equal(slate.scores, slate.probabilities["click"])
    assert sorted(slate.items) == [10, 11, 12]
    assert not slate.member_cold
    assert not slate.cold.any()
    assert not slate.capped.any()
    assert by_item(slate, slate.features["item_counts_exposures"]) == {10: 0.0, 11: 1.0, 12: 2.0}
    assert (slate.features["device"], slate.features["place"]) == ("phone", None)


def test_rows_ahead_of_the_clock_are_reported(scorer: Scorer, state: OnlineFeatures) -> None:
    assert ranked(scorer, state).to_json()["rows_ahead"] == 0
    assert ranked(scorer, replace(state, ahead=3)).to_json()["rows_ahead"] == 3


def test_old_vectors_and_counters_are_used_and_flagged(scorer: Scorer, state: OnlineFeatures) -> None:
    old = replace(state, as_of=2 * HOUR + 1, counters_as_of=2 * HOUR)
    unlimited = ranked(scorer, old).to_json()
    assert (unlimited["stale"], unlimited["stale_items"]) == ([], 0)
    found = ranked(scorer, old, Serving(max_age=MaxAge(vectors="2h", counters="2h"))).to_json()
    assert (found["stale"], found["stale_items"]) == (["member_vectors", "item_vectors"], 3)
    assert (found["slate"], found["member_cold"]) == (unlimited["slate"], False)


def test_vectors_of_another_encoder_are_flagged_for_the_rules(scorer: Scorer, state: OnlineFeatures) -> None:
    assert state.member is not None
    mixed = replace(state.items, encoder=texts("1", "2", "1"))
    online = replace(state, member=replace(state.member, encoder="1"), items=mixed, as_of=2 * HOUR + 1)
    found = ranked(scorer, online, Serving(max_age=MaxAge(vectors="2h"))).to_json()
    assert (found["stale"], found["stale_items"]) == (["member_vectors", "item_vectors"], 3)


def test_a_fallback_reads_nothing_that_could_be_stale(scorer: Scorer) -> None:
    spec = SPEC.model_copy(update={"serving": Serving(max_age=MaxAge(vectors="1s", counters="1s"))})
    found = (
        RankingService(spec, scorer, NoReader(), "2", Prior.empty(spec))
        .popular(SlateIds("mine", "call"), REQUEST)
        .to_json()
    )
    assert (found["stale"], found["stale_items"]) == ([], 0)


@pytest.mark.parametrize("fault", ["of another encoder", "of another size", "not finite"])
def test_vectors_that_do_not_fit_are_cold(
    scorer: Scorer, state: OnlineFeatures, member: MemberVectors, tokens: list[np.ndarray], fault: str
) -> None:
    changed = {"of another size": tokens[0][1:], "not finite": tokens[0] * np.nan}.get(fault, tokens[0])
    encoder = "1" if fault == "of another encoder" else "2"
    broken = OnlineFeatures(
        replace(member, encoder=encoder, tokens=changed),
        items_of([changed, *tokens[1:]], encoder, "2", "2"),
        state.counters,
    )
    nothing = np.zeros(0, np.float32)
    absent = OnlineFeatures(None, items_of([nothing, *tokens[1:]], None, "2", "2"), state.counters)
    found, expected = (ranked(scorer, s) for s in (broken, absent))
    assert found.member_cold
    assert [item for item, cold in zip(found.items, found.cold, strict=True) if cold] == [10]
    assert chances(found) == chances(expected)
    assert found.foreign == ((1, 1) if fault == "of another encoder" else (0, 0))
    assert expected.foreign == (0, 0)


def test_what_the_member_acted_on_before_the_request_is_discounted_before_the_ranking(
    scorer: Scorer, state: OnlineFeatures, member: MemberVectors
) -> None:
    plain, rules = ranked(scorer, state), Serving(seen_discount=SeenDiscount(factor=0.01))
    best = plain.items[0]
    before = REQUEST.time - 1

    def discounted(edge: str, key: str, moment: int) -> Slate:
        rest = scorer.activities - 1
        acted = replace(
            member,
            activity_times=np.array([moment, *[0] * rest]),
            activity_edges=texts(edge, *[""] * rest),
            activity_keys=texts(key, *[""] * rest),
        )
        return ranked(scorer, replace(state, member=acted), rules)

    found = discounted("clicked", str(best), before)
    assert found.items[-1] == best
    assert found.scores[-1] == pytest.approx(0.01 * found.probabilities["click"][-1])
    np.testing.assert_array_equal(found.scores[:-1], found.probabilities["click"][:-1])
    assert found.adjustments[-1][0]["action"] == "clicked"
    for none in (("clicked", "77", before), ("follows", str(best), before), ("clicked", str(best), REQUEST.time)):
        slate = discounted(*none)
        np.testing.assert_array_equal(slate.scores, slate.probabilities["click"])


def test_a_discount_names_the_newest_activity_before_the_request(
    scorer: Scorer, state: OnlineFeatures, member: MemberVectors
) -> None:
    rest, now = scorer.activities - 3, REQUEST.time
    acted = replace(
        member,
        activity_times=np.array([now - 9 * SECOND, now - 2 * SECOND + 1, now, *[0] * rest]),
        activity_edges=texts("clicked", "clicked", "clicked", *[""] * rest),
        activity_keys=texts("10", "10", "10", *[""] * rest),
    )
    slate = ranked(scorer, replace(state, member=acted), Serving(seen_discount=SeenDiscount(factor=0.25))).to_json()
    told = {candidate["item"]: candidate["adjustments"] for candidate in slate["slate"]}
    entry = {"rule": "seen_discount", "factor": 0.25, "action": "clicked", "time": iso(now - 2 * SECOND)}
    assert told == {item: [entry] if item == 10 else [] for item in REQUEST.items}


def test_activities_of_unequal_columns_are_unknown(
    scorer: Scorer, state: OnlineFeatures, member: MemberVectors
) -> None:
    torn = replace(state, member=replace(member, activity_keys=texts("10", "11", "12")))
    slate = ranked(scorer, torn, Serving(seen_discount=SeenDiscount(factor=0.01)))
    assert slate.member_cold
    np.testing.assert_array_equal(slate.scores, slate.probabilities["click"])


def test_a_creators_further_items_go_behind_those_of_others(
    scorer: Scorer, state: OnlineFeatures, tokens: list[np.ndarray]
) -> None:
    best, second, last = ranked(scorer, state).items
    creators = tuple("ann" if item in (best, second) else "ben" for item in REQUEST.items)
    same = replace(state, items=items_of(tokens, "2", "2", "2", creators=creators))
    rules = Serving(diversity=Diversity(creation="authored", most=1))
    assert ranked(scorer, same, rules).items == [best, last, second]
    unknown = replace(state, items=items_of(tokens, "2", "2", "2", creators=(None, None, "")))
    assert ranked(scorer, unknown, rules).items == [best, second, last]


def test_a_response_explains_its_order(scorer: Scorer, state: OnlineFeatures, member: MemberVectors) -> None:
    """With all rules on, sorting the items by what the response shows of each gives the response's order."""
    best = ranked(scorer, state).items[0]
    rest = scorer.activities - 1
    acted = replace(
        member,
        activity_times=np.array([REQUEST.time - 1, *[0] * rest]),
        activity_edges=texts("clicked", *[""] * rest),
        activity_keys=texts(str(best), *[""] * rest),
    )
    rules = Serving(
        seen_discount=SeenDiscount(factor=0.01),
        diversity=Diversity(creation="authored", most=1),
        frequency_cap=FrequencyCap(counter="member_counts", most=4),
    )
    slate = ranked(scorer, replace(state, member=acted), rules).to_json()["slate"]
    shown = {candidate["item"]: candidate for candidate in slate}
    named = {item: [entry["rule"] for entry in candidate["adjustments"]] for item, candidate in shown.items()}
    expected = sorted(REQUEST.items, key=lambda item: ("diversity" in named[item], -shown[item]["score"]))
    assert list(shown) == expected
    told = {"rule": "seen_discount", "factor": 0.01, "action": "clicked", "time": iso(REQUEST.time - SECOND)}
    assert shown[best]["adjustments"][0] == told
    assert shown[best]["score"] == shown[best]["probabilities"]["click"] * 0.01
    assert sum("diversity" in rules for rules in named.values()) == 1
    assert [candidate["capped"] for candidate in slate] == ["frequency_cap" in named[item] for item in shown]
    assert slate[2]["capped"]


@pytest.mark.parametrize(("most", "shown"), [(1, 0), (3, 1), (4, 2), (9, 3)])
def test_what_ranks_beyond_the_members_cap_is_marked(
    scorer: Scorer, state: OnlineFeatures, most: int, shown: int
) -> None:
    found = ranked(scorer, state, Serving(frequency_cap=FrequencyCap(counter="member_counts", most=most)))
    assert found.capped.tolist() == [False] * shown + [True] * (3 - shown)
    assert found.items == ranked(scorer, state).items


def test_an_explored_slate_has_its_propensities_in_ranked_order_and_a_fallback_is_never_explored(
    scorer: Scorer, state: OnlineFeatures
) -> None:
    greedy = ranked(scorer, state).items
    spec = SPEC.model_copy(update={"serving": Serving(explore=Explore(share=0.5))})
    service = RankingService(spec, scorer, NoReader(), "2", Prior.empty(spec))
    inputs = service.inputs(REQUEST, state)
    logits = scorer.logits(inputs)
    found = [service.slate(SlateIds("mine", "call", number), REQUEST, state, inputs, logits) for number in range(40)]
    assert len({tuple(slate.items) for slate in found}) > 3
    for number, slate in enumerate(found):
        assert slate.impressions() == [f"call/{number}/{rank}" for rank in range(3)]
        likely = [item == best for item, best in zip(slate.items, greedy, strict=True)]
        np.testing.assert_allclose(slate.propensities, np.where(likely, 0.5 + 0.5 / 3, 0.5 / 3))
        assert slate.to_json()["slate"][0]["propensity"] == slate.propensities[0]
        popular = service.popular(slate.ids, REQUEST)
        assert popular.propensities.tolist() == [1.0] * 3
        assert popular.adjustments == [[{"rule": "popularity"}]] * 3


def test_probabilities_at_the_real_rate_and_relative_ones(
    scorer: Scorer, state: OnlineFeatures, tmp_path: Path
) -> None:
    model = shared_model()
    assert "relative" not in ranked(scorer, state).to_json()
    changed = replace(model.calibration, offsets={"click": -3.0}, relative=("dwell",))
    other = Scorer(save_model(replace(model, calibration=changed), tmp_path / "model"))
    other.encoder = scorer.encoder
    before, after = ranked(scorer, state), ranked(other, state)
    assert after.to_json()["relative"] == ["dwell"]
    assert after.items == before.items
    odds = [slate.probabilities["click"] / (1 - slate.probabilities["click"]) for slate in (before, after)]
    np.testing.assert_allclose(odds[1], odds[0] * np.exp(-3.0))
    np.testing.assert_array_equal(after.probabilities["dwell"], before.probabilities["dwell"])
