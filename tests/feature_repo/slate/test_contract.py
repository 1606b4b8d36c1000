"""On both stores: a slate equals Feast's online read where nothing expired, and its historical retrieval at as_of."""

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feature_repo.packed.keys import view_prefix
from feature_repo.slate import SlateReader, SlateRows, Status
from feature_repo.stores.online.bulk import rows_of
from tests.feature_repo.redis_server import running_redis
from tests.feature_repo.slate.world import (
    CANDIDATE_KEYS,
    COLUMNS,
    DERIVED,
    EXPIRES,
    FEATURES,
    HOUR,
    KEYS,
    START,
    STORES,
    TTL,
    World,
    open_world,
    plain,
)

MEMBERS, ITEMS, TAGS = [1, -7], ["a", "b", "å", ""], ["new", "", "ünusual"]
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "country": st.sampled_from(["NL", "", "日本"]),
    "age": st.sampled_from([0.5, -1.0, 40.25]),
    "score": st.sampled_from([0.0, 3.5]),
    "tag": st.sampled_from(TAGS),
    "vector": st.lists(st.sampled_from([1.0, -2.5]), max_size=3),
    "fresh": st.booleans(),
    "pair_shown": st.integers(-(2**63), 2**63 - 1),
    "tag_shown": st.integers(0, 9),
    "member_tag_shown": st.integers(0, 9),
    "total": st.integers(0, 9),
}
_KEY_VALUES = {"member_id": st.sampled_from(MEMBERS), "item_id": st.sampled_from(ITEMS), "tag": st.sampled_from(TAGS)}
# Hours, and a microsecond to either side: the bounds of the TTL are met and missed by one.
_TIMES = st.builds(lambda hour, aside: START + hour * HOUR + aside, st.integers(0, 12), st.sampled_from([-1, 0, 1]))


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[dict[str, Any]]]:
    """Rows of every view, no two of one key at one time."""

    def rows(view: str) -> st.SearchStrategy[list[dict[str, Any]]]:
        keys = KEYS[view]
        parts: dict[str, st.SearchStrategy[Any]] = {key: _KEY_VALUES[key] for key in keys}
        parts |= {name: st.none() | _VALUES[name] for name in COLUMNS[view] if name not in keys}
        row = st.fixed_dictionaries({**parts, "time": _TIMES})
        return st.lists(row, max_size=12, unique_by=lambda row: (*(row[key] for key in keys), row["time"]))

    return {view: draw(rows(view)) for view in COLUMNS}


@pytest.fixture(scope="module", params=STORES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        yield open_world(folder, "sqlite")
    else:
        with running_redis() as address:
            yield open_world(folder, "redis", address)


def read(world: World, member: int, items: list[str], as_of: int) -> SlateRows:
    """One slate of every feature, by a reader of its own."""

    async def go() -> SlateRows:
        async with SlateReader(world.store, FEATURES, CANDIDATE_KEYS, DERIVED, 5.0, "error") as reader:
            return await reader.read({"member_id": member}, {"item_id": items}, as_of)

    return asyncio.run(go())


def feature(rows: SlateRows, name: str, count: int) -> list[Any]:
    """A feature as one value a candidate."""
    if name in rows.candidates:
        return plain(rows.candidates[name], rows.valid[name])
    return plain(rows.shared[name], rows.valid[name]) * count


def wipe(world: World) -> None:
    views = [world.store.get_feature_view(view) for view in COLUMNS]
    online = world.store._get_provider().online_store
    online.update(world.store.config, views, [], [], [], partial=False)
    online.update(world.store.config, [], views, [], [], partial=False)


def contract(world: World, rows: dict[str, list[dict[str, Any]]], until: int, as_of: int, order: int) -> None:
    """Write what was known at ``until`` in any order; every result as of a moment after it is the historical one."""
    wipe(world)
    known = {view: [row for row in some if row["time"] <= until] for view, some in rows.items()}
    for some in known.values():
        random.Random(order).shuffle(some)
    world.online(known)
    # What the store cannot know yet is not in the query either: nothing happened between `until` and `as_of`.
    world.history({view: [row for row in some if not until < row["time"] <= as_of] for view, some in rows.items()})
    items = [*ITEMS, ITEMS[0], "nowhere"]
    members = [*MEMBERS, 99]
    expected = historical(world, members, items, as_of)
    for place, member in enumerate(members):
        found = read(world, member, items, as_of)
        own = slice(place * len(items), (place + 1) * len(items))
        for name in expected:
            assert feature(found, name, len(items)) == expected[name][own], (name, member)
        assert not found.fallback


def historical(world: World, members: list[int], items: list[str], as_of: int) -> dict[str, list[Any]]:
    """The same by ``get_historical_features``, every member with every item; the tag is the item's as of then."""
    count = len(members) * len(items)

    def retrieve(features: list[str], keys: dict[str, Any]) -> dict[str, list[Any]]:
        rows = pd.DataFrame({**keys, "place": range(count)})
        rows["event_timestamp"] = pd.to_datetime(np.full(count, as_of), unit="us", utc=True).as_unit("us")
        table = world.store.get_historical_features(rows, features).to_arrow().sort_by("place")
        return {name: table[name].to_pylist() for name in (reference.split(":")[1] for reference in features)}

    by_tag = [reference for reference in FEATURES if "tag" in KEYS[reference.split(":")[0]]]
    given: dict[str, Any] = {"member_id": np.repeat(members, len(items)), "item_id": items * len(members)}
    found = retrieve([reference for reference in FEATURES if reference not in by_tag], given)
    no_tag = "no such tag"  # Feast's keys are never null
    found |= retrieve(by_tag, {**given, "tag": [no_tag if tag is None else tag for tag in found["tag"]]})
    return found


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=histories(),
    until=_TIMES,
    later=st.sampled_from([0, 1, TTL - 1, TTL, TTL + 1, HOUR]),
    order=st.integers(0, 9),
)
def test_equal_to_historical_retrieval(
    world: World, rows: dict[str, list[dict[str, Any]]], until: int, later: int, order: int
) -> None:
    contract(world, rows, until, until + later, order)


@pytest.mark.parametrize(("later", "shown"), [(TTL - 1, True), (TTL, True), (TTL + 1, False)])
def test_ttl_ends_where_feasts_does(world: World, later: int, shown: bool) -> None:
    rows = {"item_stats": [{"item_id": "a", "score": 3.5, "tag": "new", "time": START}]}
    contract(world, rows, START, START + later, 0)
    found = read(world, 1, ["a"], START + later)
    assert found.status["item_stats"].tolist() == [Status.PRESENT if shown else Status.OUTSIDE_MAX_AGE]
    assert plain(found.candidates["score"], found.valid["score"]) == [3.5 if shown else None]
    assert found.event_time["item_stats"].tolist() == [START if shown else 0]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=histories())
def test_equal_to_feasts_online_read_where_nothing_expired(world: World, rows: dict[str, list[dict[str, Any]]]) -> None:
    items = [*ITEMS, ITEMS[0], "nowhere"]
    newest = max((row["time"] for some in rows.values() for row in some), default=START)
    for view in EXPIRES:  # Feast's online read keeps what has expired
        rows[view] = [row for row in rows[view] if row["time"] >= newest - TTL]
    wipe(world)
    world.online(rows)
    for member in MEMBERS:
        found = read(world, member, items, newest)
        tags = feature(found, "tag", len(items))
        entities = {"member_id": [member] * len(items), "item_id": items, "tag": [tag or "" for tag in tags]}
        expected = world.store.get_online_features(FEATURES, entities).to_dict()
        for reference in FEATURES:
            view, name = reference.split(":")
            for place, tag in enumerate(tags):
                if tag is not None or "tag" not in KEYS[view]:
                    assert feature(found, name, len(items))[place] == expected[name][place], (reference, place)


def test_a_row_of_the_future_is_missing(world: World) -> None:
    wipe(world)
    world.online({"item_stats": [{"item_id": "a", "score": 3.5, "tag": "new", "time": START}]})
    world.online({"tag_counts": [{"tag": "new", "tag_shown": 4, "time": START - 1}]})
    found = read(world, 1, ["a"], START - 1)
    assert found.status["item_stats"].tolist() == [Status.AFTER_AS_OF]
    assert found.status["tag_counts"].tolist() == [Status.NOT_FOUND], "its key stands in a row of the future"
    for name in ("score", "tag", "vector", "fresh", "tag_shown"):
        assert plain(found.candidates[name], found.valid[name]) == [None]
    assert np.isnan(found.candidates["score"]).all()


def test_a_row_ahead_of_the_clock_is_of_no_time_yet(world: World) -> None:
    """The result counts it."""
    wipe(world)
    world.online({"tag_counts": [{"tag": "new", "tag_shown": 4, "time": START}]})
    view, start = world.store.get_feature_view("tag_counts"), (START + 2**63).to_bytes(8, "big")
    ((key, row),) = rows_of(world.store).dump(view_prefix(world.store.project, view.name))
    assert row.startswith(start)
    rows_of(world.store).write_newest([(key, (2**60 + 2**63).to_bytes(8, "big") + row[8:])])
    world.online({"item_stats": [{"item_id": "a", "score": 3.5, "tag": "new", "time": START}]})
    found = read(world, 1, ["a"], START)
    assert found.status["tag_counts"].tolist() == [Status.AFTER_AS_OF]
    assert found.ahead == 1


def test_no_candidates(world: World) -> None:
    wipe(world)
    world.online({"member_profile": [{"member_id": 1, "country": "NL", "time": START}]})
    found = read(world, 1, [], START)
    assert plain(found.shared["country"], found.valid["country"]) == ["NL"]
    assert all(len(found.valid[name]) == 0 for name in found.candidates)
    assert found.status["item_stats"].tolist() == []


def test_now_is_the_default(world: World) -> None:
    wipe(world)
    world.online({"item_stats": [{"item_id": "a", "score": 3.5, "time": START}]})

    async def go() -> SlateRows:
        async with SlateReader(world.store, ["item_stats:score"], ["item_id"], deadline=5.0) as reader:
            return await reader.read({}, {"item_id": ["a"]})

    found = asyncio.run(go())
    assert found.as_of > START + TTL
    assert found.status["item_stats"].tolist() == [Status.OUTSIDE_MAX_AGE]


def test_reads_side_by_side(world: World) -> None:
    wipe(world)
    world.online({"item_stats": [{"item_id": item, "score": float(i), "time": START} for i, item in enumerate(ITEMS)]})

    async def go() -> list[SlateRows]:
        async with SlateReader(world.store, ["item_stats:score"], ["item_id"], deadline=5.0, pool=3) as reader:
            queried = [reader.read({}, {"item_id": [ITEMS[i % len(ITEMS)]]}, START) for i in range(40)]
            return await asyncio.gather(*queried)

    assert [rows.candidates["score"].tolist() for rows in asyncio.run(go())] == [[float(i % 4)] for i in range(40)]
