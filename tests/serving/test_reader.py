from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from models.features import counter_columns, counter_keys, counter_table
from serving.errors import UnavailableError
from serving.reader import OnlineReader
from serving.request import RankingRequest
from tests.serving.world import World


@pytest.fixture(scope="module")
def reader(world: World) -> OnlineReader:
    return OnlineReader(world.store_config, world.spec)


def last_counts(world: World, counter: str, keys: dict[str, object]) -> dict[str, float]:
    """The counter's row of the last midnight, out of the table itself."""
    frame = pd.read_parquet(world.state.parent / "tables" / f"{counter_table(counter)}.parquet")
    for key in counter_keys(world.spec, counter):
        frame = frame[frame[key] == keys[key]]
    rows = frame.sort_values("valid_from").tail(1)[counter_columns(world.spec, counter)]
    return {name: float(np.float32(value)) for row in rows.to_dict("records") for name, value in row.items()}


def test_a_read_gives_the_last_counters_and_the_pushed_vectors(world: World, reader: OnlineReader) -> None:
    members, items = world.keys("member"), world.keys("item")
    state = reader.read(RankingRequest(members[2], (items[4], items[0]), "push", world.as_of))
    for place, item in enumerate((items[4], items[0])):
        keys = {"member_id": members[2], "item_id": item, "surface": "push"}
        expected = {k: v for counter in world.spec.counters for k, v in last_counts(world, counter, keys).items()}
        assert len(expected) == 12
        assert state.counters[place] == expected
    pushed = pd.read_parquet(world.state.parent / "vectors" / "member.parquet").set_index("key")
    assert state.member is not None
    np.testing.assert_array_equal(state.member.tokens, pushed.loc[members[2], "member_tokens"])
    np.testing.assert_array_equal(state.member.activity_times, pushed.loc[members[2], "activity_times"])
    tokens = pd.read_parquet(world.state.parent / "vectors" / "item.parquet").set_index("key")["item_tokens"]
    for place, item in enumerate((items[4], items[0])):
        found = state.items[place]
        assert found is not None
        assert found.version == world.version
        np.testing.assert_array_equal(found.tokens, tokens[item])


def test_unknown_keys_have_no_vectors_and_only_the_counters_of_what_is_known(
    world: World, reader: OnlineReader
) -> None:
    known = world.keys("item")[0]
    state = reader.read(RankingRequest(-5, (known, -7), "email", world.as_of))
    assert state.member is None
    assert [item is None for item in state.items] == [False, True]
    assert set(state.counters[0]) == set(counter_columns(world.spec, "item_counts"))
    assert state.counters[1] == {}


def test_a_store_that_is_not_there_is_unavailable(world: World, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="Apply the"):
        OnlineReader(tmp_path / "feature_store.yaml", world.spec)
    text = world.store_config.read_text(encoding="utf-8").replace("online.db", "empty.db")
    (tmp_path / "feature_store.yaml").write_text(text, encoding="utf-8")
    reader = OnlineReader(tmp_path / "feature_store.yaml", world.spec)
    with pytest.raises(UnavailableError, match="could not be read"):
        reader.read(RankingRequest(1, (2,), "push", world.as_of))
