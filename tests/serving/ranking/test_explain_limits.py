"""Which inputs are left out, which effects are reasons, and how many candidates a pass holds."""

from collections.abc import Sequence
from dataclasses import FrozenInstanceError, replace
from unittest.mock import patch

import numpy as np
import pytest

from models.features import collaborative_columns
from models.spec.collaborative import Collaborative
from models.training.artifact import save_model
from serving.ranking.explain import Explainer, Reason, Without
from serving.ranking.reader import MemberVectors, OnlineFeatures
from serving.ranking.scorer import Scorer, SlateInputs
from tests.serving.world import shared_model, world_spec

SPEC = world_spec()
COUNTERS = list(SPEC.counters)


class GivenScorer:
    """A scorer whose probabilities are given, slate by slate; it records pauses and the slates of each pass."""

    def __init__(self, given: Sequence[float]) -> None:
        self.given = list(given)
        self.events: list[str | int] = []

    def pause(self) -> None:
        self.events.append("pause")

    def logits_many(self, slates: Sequence[SlateInputs]) -> list[np.ndarray]:
        self.events.append(len(slates))
        return [np.full((len(slate), 1), self.given.pop(0)) for slate in slates]

    def calibrate(self, logits: np.ndarray, slate: SlateInputs) -> dict[str, np.ndarray]:
        return {"click": logits[:, 0]}


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    return Scorer(save_model(shared_model(), tmp_path_factory.mktemp("artifact") / "model"))


@pytest.fixture
def explainer(scorer: Scorer) -> Explainer:
    return Explainer(scorer, SPEC)


def inputs_of(scorer: Scorer, items: int, times: np.ndarray | None = None, time: int = 1) -> SlateInputs:
    """A slate of unknown items and a member of whom only activities are known."""
    return SlateInputs(
        member_tokens=None,
        activity_tokens=None,
        activity_times=times,
        as_of=None,
        item_tokens=np.zeros((items, scorer.item_token_size), np.float32),
        item_known=np.zeros(items, bool),
        features={},
        surface="push",
        time=time,
    )


def online_of(items: int, edge: str = "", activities: int = 0) -> OnlineFeatures:
    """What the store holds of them: the key of each activity is its position."""
    none, keys = np.zeros(0, np.float32), np.array([str(place) for place in range(activities)], object)
    member = MemberVectors("1", none, none, np.zeros(activities, np.int64), np.full(activities, edge, object), keys, 0)
    nothing = OnlineFeatures.nothing(items)
    return OnlineFeatures(member if activities else None, nothing.items, nothing.counters)


def test_each_activity_before_the_request_is_left_out_newest_first(scorer: Scorer, explainer: Explainer) -> None:
    edge = scorer.ranker.schema.edges[0]
    times = np.array([0, 1, 5_500_000, 9_000_000])
    found = list(explainer.variants(inputs_of(scorer, 2, times, time=9_000_000), online_of(2, edge.name, 4)))
    assert [one.kind for one in found] == ["activity", "activity", *["counter"] * len(COUNTERS)]
    what = {"action": edge.name, "domain": edge.domain, "node": edge.target}
    last = {**what, "key": "2", "time": "1970-01-01T00:00:05+00:00"}
    first = {**what, "key": "1", "time": "1970-01-01T00:00:00+00:00"}
    assert [one.what for one in found[:2]] == [[last, last], [first, first]]
    np.testing.assert_array_equal(found[0].inputs.activity_times, [0, 1, 0, 9_000_000])
    np.testing.assert_array_equal(found[1].inputs.activity_times, [0, 0, 5_500_000, 9_000_000])


def test_of_many_activities_the_newest_32_are_left_out(scorer: Scorer, explainer: Explainer) -> None:
    edge = scorer.ranker.schema.edges[0]
    inputs = inputs_of(scorer, 1, np.arange(1, 41), time=99)
    found = [one for one in explainer.variants(inputs, online_of(1, edge.name, 40)) if one.kind == "activity"]
    assert [one.what[0]["key"] for one in found] == [str(place) for place in range(39, 7, -1)]


def test_activities_without_times_or_without_keys_are_not_left_out(scorer: Scorer, explainer: Explainer) -> None:
    edge, times = scorer.ranker.schema.edges[0], np.array([1, 2])
    for inputs, online in (
        (inputs_of(scorer, 1, None, time=9), online_of(1, edge.name, 2)),
        (inputs_of(scorer, 1, times, time=9), online_of(1)),
    ):
        assert [one.what for one in explainer.variants(inputs, online)] == [[{"counter": name}] for name in COUNTERS]


def test_each_collaborative_block_is_left_out_whole(scorer: Scorer) -> None:
    block = Collaborative(events=["clicked", "clicked_too"], outcome=["clicked"], kinds=["base", "ease"])
    edges = {**SPEC.edges, "clicked_too": SPEC.edges["clicked"]}
    spec = SPEC.model_copy(update={"edges": edges, "collaborative": {"watched": block, "other": block}})
    columns = {name: np.zeros(1, np.float32) for name in collaborative_columns(spec)}
    inputs = replace(inputs_of(scorer, 1), features=columns)
    found = [one for one in Explainer(scorer, spec).variants(inputs, online_of(1)) if one.kind == "collaborative"]
    assert [one.what for one in found] == [[{"block": "watched"}], [{"block": "other"}]]
    left = [{name for name in columns if name.startswith(block)} for block in ("other_", "watched_")]
    assert [set(one.inputs.features) for one in found] == left


def test_three_effects_of_a_family_above_a_millionth_are_reasons(scorer: Scorer, explainer: Explainer) -> None:
    edge = scorer.ranker.schema.edges[0]
    activities, counters = [0.1, -0.3, 0.2, 1e-6, 0.05], [1e-6, -2e-6, 0.0, 0.0]
    given = GivenScorer([0.0, *(-effect for effect in activities + counters)])
    with patch.object(explainer, "_scorer", given):
        inputs = inputs_of(scorer, 2, np.arange(1, 6), time=9)
        found, same = explainer.reasons(inputs, online_of(2, edge.name, 5))
    assert found == same
    assert [(reason.kind, reason.what.get("key"), reason.effect) for reason in found] == [
        ("activity", "3", -0.3),
        ("activity", "2", 0.2),
        ("activity", "4", 0.1),
        ("counter", None, -2e-6),
    ]
    assert found[-1].to_json() == {"kind": "counter", "counter": COUNTERS[1], "effect": -2e-6}


@pytest.mark.parametrize(("items", "passes"), [(683, [2, 2, 1]), (1024, [2, 2, 1]), (3000, [1] * 5)])
def test_a_pass_holds_at_most_2048_candidates_or_one_slate(
    scorer: Scorer, explainer: Explainer, items: int, passes: list[int]
) -> None:
    given = GivenScorer([0.0] * 5)
    with patch.object(explainer, "_scorer", given):
        found = explainer.reasons(inputs_of(scorer, items), online_of(items), given.pause)
    assert found == [[]] * items
    assert given.events == [event for size in passes for event in ("pause", size)]


def test_where_nothing_can_be_left_out_there_are_no_reasons(scorer: Scorer) -> None:
    without = Explainer(scorer, SPEC.model_copy(update={"counters": {}}))
    assert without.reasons(inputs_of(scorer, 2), online_of(2)) == [[], []]


def test_reasons_do_not_change(scorer: Scorer) -> None:
    for one, name in (
        (Reason("item", {}, 0.5), "effect"),
        (Without("item", [], inputs_of(scorer, 1)), "inputs"),
    ):
        with pytest.raises(FrozenInstanceError):
            setattr(one, name, None)
