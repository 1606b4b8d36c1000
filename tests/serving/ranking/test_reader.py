import asyncio
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.counters.derive import derive
from models.counters.plan import OVERALL
from models.features import SLOTS, counter_columns, counter_table
from models.spec import Spec
from models.spec.counter_plans import counter_plan
from models.time_units import microseconds
from serving.errors import UnavailableError
from serving.ranking.reader import OnlineFeatures, OnlineReader
from serving.ranking.request import RankingRequest
from tests.serving.world import World


def read(world: World, request: RankingRequest) -> OnlineFeatures:
    return asyncio.run(_read(world.store_config, world.spec, request))


async def _read(config: Path, spec: Spec, request: RankingRequest) -> OnlineFeatures:
    async with OnlineReader(config, spec, SLOTS[0]) as reader:
        return await reader.read(request)


def counters(state: OnlineFeatures, place: int) -> dict[str, float]:
    """One candidate's counters; a value read once holds for all candidates."""
    return {name: float(values[place if len(values) > 1 else 0]) for name, values in state.counters.items()}


def last_state(world: World, counter: str, keys: dict[str, object]) -> dict[str, np.ndarray]:
    """The counter's last row, read from the table."""
    frame = pd.read_parquet(world.state.parent / "tables" / f"{counter_table(counter)}.parquet")
    for key in counter_plan(world.spec, counter).keys:
        frame = frame[frame[key] == keys[key]]
    return {name: frame.sort_values("valid_from")[name].tail(1).to_numpy() for name in frame.columns}


def last_features(world: World, counter: str, keys: dict[str, object], time: int) -> dict[str, float]:
    state, overall = last_state(world, counter, keys), last_state(world, OVERALL, {})
    features = derive(counter_plan(world.spec, counter), state, overall, np.array([time]))
    return {name: float(values[0]) for name, values in features.items()}


def test_a_read_gives_the_counters_features_and_the_pushed_vectors(world: World) -> None:
    members, items, time = world.keys("member"), world.keys("item"), world.as_of + 1
    state = read(world, RankingRequest(members[2], (items[4], items[0]), "push", time))
    for place, item in enumerate((items[4], items[0])):
        keys = {"member_id": members[2], "item_id": item, "surface": "push"}
        expected = {k: v for name in world.spec.counters for k, v in last_features(world, name, keys, time).items()}
        assert len(expected) == 12
        assert counters(state, place) == expected
    pushed = pd.read_parquet(world.state.parent / "vectors" / "member.parquet").set_index("key")
    assert state.member is not None
    np.testing.assert_array_equal(state.member.tokens, pushed.loc[members[2], "member_tokens"])
    np.testing.assert_array_equal(state.member.activity_times, pushed.loc[members[2], "activity_times"])
    tokens = pd.read_parquet(world.state.parent / "vectors" / "item.parquet").set_index("key")["item_tokens"]
    for place, item in enumerate((items[4], items[0])):
        assert state.items.encoder[place] == world.encoder
        np.testing.assert_array_equal(state.items.tokens[place], tokens[item])


def test_a_read_gives_the_times_of_its_vectors_and_of_the_newest_outcome(world: World) -> None:
    members, items = world.keys("member"), world.keys("item")
    newest = microseconds(last_state(world, OVERALL, {})["valid_from"][0])
    # The last member has no counters of its own: the newest outcome is anyone's.
    state = read(world, RankingRequest(members[-1], (items[0], -7), "push", world.as_of + 1))
    assert state.member is not None
    assert (state.member.as_of, state.items.as_of.tolist()) == (world.as_of, [world.as_of, 0])
    assert (state.as_of, state.counters_as_of) == (world.as_of, newest)
    early = read(world, RankingRequest(members[2], (items[0],), "push", newest))
    assert (early.items.as_of.tolist(), early.counters_as_of) == ([0], None)


def test_unknown_keys_have_no_vectors_and_counters_of_nothing(world: World) -> None:
    known = world.keys("item")[0]
    state = read(world, RankingRequest(-5, (known, -7), "email", world.as_of + 1))
    assert state.member is None
    assert state.items.encoder.tolist() == [world.encoder, None]
    assert state.items.tokens.lengths[1] == 0
    assert set(state.counters) == {c for name in world.spec.counters for c in counter_columns(world.spec, name)}
    assert state.counters["item_counts_exposures"][0] > 0
    assert state.counters["item_counts_exposures"][1] == 0
    overall = last_state(world, OVERALL, {})
    prior = np.float32(overall["overall_click_sum"][0] / overall["overall_settled"][0])
    assert state.counters["item_counts_click_rate"][1] == pytest.approx(prior)


def test_a_request_sees_nothing_of_its_own_time_or_later(world: World) -> None:
    """Vectors are visible after ``as_of``; a request at exactly that time does not see them."""
    member, item = world.keys("member")[2], world.keys("item")[0]
    state = read(world, RankingRequest(member, (item,), "push", world.as_of))
    assert state.member is None
    assert state.items.encoder.tolist() == [None]
    assert state.counters["item_counts_exposures"][0] > 0


def test_the_rows_are_the_products_whatever_project_the_configuration_names(world: World, tmp_path: Path) -> None:
    """A variable of the pod or a renamed project would make every member new."""
    text = world.store_config.read_text(encoding="utf-8")
    config, name = tmp_path / "feature_store.yaml", f"project: {world.spec.name}\n"
    assert name in text
    config.write_text(text.replace(name, "project: renamed\n"), encoding="utf-8")
    member, item = world.keys("member")[2], world.keys("item")[0]
    state = asyncio.run(_read(config, world.spec, RankingRequest(member, (item,), "push", world.as_of + 1)))
    assert state.member is not None
    assert state.items.encoder.tolist() == [world.encoder]


def test_a_store_that_is_not_there_is_unavailable(world: World, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="Apply the"):
        OnlineReader(tmp_path / "feature_store.yaml", world.spec, SLOTS[0])
    text = world.store_config.read_text(encoding="utf-8").replace("online.db", "empty.db")
    (tmp_path / "feature_store.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UnavailableError, match="could not be read"):
        asyncio.run(_read(tmp_path / "feature_store.yaml", world.spec, RankingRequest(1, (2,), "push", world.as_of)))
