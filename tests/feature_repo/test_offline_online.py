"""Offline = online: what training sees as of t is what the online store returns after materialising up to t.

On both online stores, through Feast's own online read and through the slate reader: random histories with ties of
event times (which created times order), a view that expires, vectors, and counters of every kind from random
impressions: their state, and the features that are derived from it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from feast.infra.online_stores.helpers import get_online_store_from_config
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.as_of import arrow_type, features_as_of, join_keys, last_visible
from feature_repo.as_of.counters import counters_as_of, state_of
from feature_repo.counters import count
from feature_repo.materialise import materialize
from feature_repo.packed.keys import view_prefix
from feature_repo.quality import forget
from feature_repo.slate import SlateReader, SlateRows, Status
from feature_repo.store import open_store, project_of
from models.counters.derive import derive
from models.counters.plan import OVERALL
from models.features import attribute_keys, online_views
from models.spec import Spec
from models.spec.counter_plans import counter_plans
from models.time_units import microseconds
from tests.feature_repo import tiny
from tests.feature_repo.redis_server import running_redis

pytestmark = pytest.mark.long(30)

STORES = {
    "sqlite": "feature_repo.stores.online.PackedSqliteOnlineStore",
    "redis": "feature_repo.stores.online.PackedRedisOnlineStore",
}
COUNTERS = {
    "member_counts": {
        **{"keys": ["member"], "recency": True, "last": 2},
        **{"last_exposures": 2, "compare": ["surface", "item", "topic"]},
    },
    "member_surface_counts": {"keys": ["member", "surface"], "window": "16m", "rates": []},
    "pair_counts": {"keys": ["member", "item"], "smoothing": 2, "residual": True},
    "topic_counts": {"keys": ["topic"], "window": "1d"},
}
TIME, NUMBER = pa.timestamp("us", "UTC"), pa.float64()
KINDS: dict[str, dict[str, pa.DataType]] = {
    "member_profiles": {
        "member_id": pa.int64(),
        "valid_from": TIME,
        "written": TIME,
        "seniority": NUMBER,
        "country": pa.string(),
    },
    "member_recent": {"member_id": pa.int64(), "valid_from": TIME, "streak": NUMBER},
    "posts": {
        "post_id": pa.string(),
        "valid_from": TIME,
        "topic": pa.string(),
        "title": pa.string(),
        "embedding": pa.list_(pa.float32()),
    },
    "impressions": {
        "impression_id": pa.int64(),
        "time": TIME,
        "settled_time": TIME,
        "member": pa.int64(),
        "post_id": pa.string(),
        "surface": pa.string(),
        "place": pa.int64(),
        "device": pa.string(),
        "click": pa.int64(),
    },
}
"""The columns of the tables and their Arrow types, empty or not."""
MEMBERS, POSTS, SURFACES, TOPICS = [1, 2, 99], ["p1", "p2", "none"], ["feed", "email"], ["x", "ü"]
ORIGIN = microseconds(tiny.START)
MINUTE = 60_000_000
TTL = timedelta(days=3) // timedelta(microseconds=1)
# Few distinct moments, microseconds, panes or exactly one TTL apart: ties and expiries are the rule.
MOMENTS = st.sampled_from([0, 1, 2, MINUTE, MINUTE + 1, 17 * MINUTE, TTL, TTL + 1, TTL + 2])
MEMBER, POST, SURFACE = (st.sampled_from(values[:2]) for values in (MEMBERS, POSTS, SURFACES))


class History(NamedTuple):
    """What happened, in microseconds since the origin."""

    profiles: list[tuple[int, int, int]]
    """(member, time, created)"""
    recent: list[tuple[int, int]]
    """(member, time)"""
    posts: list[tuple[str, int, str | None]]
    """(post, time, topic)"""
    shown: list[tuple[int, int, int, str, str, int]]
    """(time, wait for the outcome, member, post, surface, click)"""


HISTORIES = st.builds(
    History,
    st.lists(st.tuples(MEMBER, MOMENTS, st.integers(0, 3)), unique=True, max_size=8),
    st.lists(st.tuples(MEMBER, MOMENTS), unique=True, max_size=6),
    st.lists(st.tuples(POST, MOMENTS, st.none() | st.sampled_from(TOPICS)), unique_by=lambda row: row[:2], max_size=6),
    st.lists(
        st.tuples(MOMENTS, st.sampled_from([0, 1, MINUTE]), MEMBER, POST, SURFACE, st.integers(0, 1)), max_size=10
    ),
)


class Product(NamedTuple):
    """An applied product; every view of member, item and counters is online."""

    store: Any
    spec: Spec
    tables: Path

    def restart(self, history: History) -> None:
        """Replace every table, and empty the online store."""
        for name, table in _tables(history).items():
            pq.write_table(table, self.tables / f"{name}.parquet")
        count(self.spec, self.tables, self.tables)
        rows = get_online_store_from_config(self.store.config.online_store).rows(self.store.config)
        for name in online_views(self.spec):
            rows.delete(view_prefix(self.store.project, name))
        forget(self.store)


@pytest.fixture(scope="module", params=STORES)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        yield _open(folder, {"type": STORES["sqlite"], "path": str(folder / "online.db")})
    else:
        with running_redis() as address:
            yield _open(folder, {"type": STORES["redis"], "connection_string": address})


@settings(max_examples=6, deadline=None)
@given(HISTORIES, st.lists(MOMENTS.map(lambda moment: moment + 1) | MOMENTS, min_size=1, max_size=2, unique=True))
def test_training_and_requests_see_the_same(world: Product, history: History, moments: list[int]) -> None:
    world.restart(history)
    for moment in sorted(moments):
        until = ORIGIN + moment
        materialize(world.store, world.spec, until)
        slates = _Slates(world, until)
        for name in online_views(world.spec):
            _check_view(world, slates, name, until)
        _check_derived(world, slates, until)


def test_a_history_of_everything(world: Product) -> None:
    """The cases that must not hang on chance: a tie, an expiry to the microsecond, a derived key, a window's end."""
    world.restart(
        History(
            profiles=[(1, 0, 1), (1, 0, 0), (1, MINUTE, 0), (2, 0, 0)],
            recent=[(1, 0), (2, 1)],
            posts=[("p1", 0, "x"), ("p1", MINUTE, "ü"), ("p2", 0, None)],
            shown=[(2, 1, 1, "p1", "feed", 1), (2, MINUTE, 1, "p1", "feed", 0), (MINUTE + 1, 0, 2, "p1", "email", 1)],
        )
    )
    found = []
    for moment in (1, MINUTE + 1, MINUTE + 3, TTL + 1, TTL + 2, TTL + 3):
        until = ORIGIN + moment
        materialize(world.store, world.spec, until)
        slates = _Slates(world, until)
        for name in online_views(world.spec):
            _check_view(world, slates, name, until)
        _check_derived(world, slates, until)
        found.append([slates.plain("seniority")[0], slates.plain("streak")[0], slates.plain("streak")[6]])
    # (1, 0, 1) was created after (1, 0, 0); the streak of member 1 lives for the TTL and no microsecond longer.
    assert found == [[0, 0, None], [2, 0, 1], [2, 0, 1], [2, 0, 1], [2, None, 1], [2, None, None]]


def _check_view(world: Product, slates: "_Slates", name: str, until: int) -> None:
    view = world.store.get_feature_view(name)
    trained = features_as_of(world.store, slates.keys, np.full(slates.rows, until), [name])
    features = [field.name for field in view.features]
    keys = join_keys(view) or ["member_id"]  # Feast takes the number of rows from some key
    rows = [dict(zip(keys, values, strict=True)) for values in zip(*(slates.keys[key] for key in keys), strict=True)]
    known = [place for place, row in enumerate(rows) if None not in row.values()]
    queried = [rows[place] for place in known]
    references = [f"{name}:{feature}" for feature in features]
    online = world.store.get_online_features(features=references, entity_rows=queried).to_dict() if queried else {}
    expired = slates.expired(name)
    for feature in features:
        expected = trained[feature].to_pylist()
        assert slates.plain(feature) == expected, feature
        # Feast's own online read does not know of an age: an expired row is still there.
        stock = dict(zip(known, online.get(feature, []), strict=True))
        for place in set(known) - expired:
            assert stock[place] == expected[place], feature


def _check_derived(world: Product, slates: "_Slates", until: int) -> None:
    times = np.full(slates.rows, until)
    trained = counters_as_of(world.store, world.spec, slates.keys, times, list(world.spec.counters))
    states, plans = {}, counter_plans(world.spec)
    for name in plans:
        fields = world.store.get_feature_view(name).features
        columns = {f.name: pa.chunked_array([pa.array(slates.plain(f.name), arrow_type(f.dtype))]) for f in fields}
        states[name] = state_of(plans[name], columns)
    for name in world.spec.counters:
        for feature, values in derive(plans[name], states[name], states[OVERALL], times, slates.keys).items():
            expected = trained[feature].to_numpy(zero_copy_only=False)
            np.testing.assert_array_equal(values, expected.astype(np.float32), err_msg=feature)


class _Slates:
    """Every member on every surface with every post, as requests at ``until`` read them: rows in that order."""

    def __init__(self, world: Product, until: int) -> None:
        self._slates = asyncio.run(_read(world, until))
        self._world = world
        members, surfaces, posts = zip(*product(MEMBERS, SURFACES, POSTS), strict=True)
        self.rows = len(posts)
        self.keys = {"member_id": np.array(members), "surface": np.array(surfaces, object)}
        self.keys["post_id"] = np.array(posts, object)
        self.keys["topic"] = np.array(self.plain("topic"), object)

    def plain(self, feature: str) -> list[Any]:
        """A feature by row; None where it is null or its row is missing."""
        return [value for slate in self._slates for value in _plain(slate, feature)]

    def expired(self, view: str) -> set[int]:
        """The rows of which the store holds a view's row that has outlived its TTL."""
        status = [code for slate in self._slates for code in _repeated(slate.status[view].tolist())]
        assert Status.AFTER_AS_OF not in status
        return {row for row, code in enumerate(status) if code == Status.OUTSIDE_MAX_AGE}


async def _read(world: Product, until: int) -> list[SlateRows]:
    names = online_views(world.spec)
    features = [f"{name}:{f.name}" for name in names for f in world.store.get_feature_view(name).features]
    derived = {feature: f"{view}:{feature}" for feature, view in attribute_keys(world.spec).items()}
    async with SlateReader(world.store, features, ["post_id"], derived, deadline=30.0, fallback="error") as reader:
        return [
            await reader.read({"member_id": member, "surface": surface}, {"post_id": POSTS}, last_visible(until))
            for member, surface in product(MEMBERS, SURFACES)
        ]


def _plain(slate: SlateRows, feature: str) -> Sequence[Any]:
    column = slate.candidates[feature] if feature in slate.candidates else slate.shared[feature]
    values = column.tolist() if isinstance(column, np.ndarray) else column.to_lists()
    return _repeated([value if valid else None for value, valid in zip(values, slate.valid[feature], strict=True)])


def _repeated(values: list[Any]) -> list[Any]:
    """What the candidates share stands in each of their rows."""
    return values * (len(POSTS) // len(values))


def _open(folder: Path, online: Mapping[str, str]) -> Product:
    spec = tiny.tiny_spec(counters=COUNTERS)
    config = folder / "feature_store.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(tiny.CONFIG.read_text()) | {"online_store": dict(online)}))
    tables, state = tiny.tables(spec, folder / "tables"), folder / "state"
    store = open_store(config, state, project_of(spec.name))
    tiny.apply_tables(store, spec, tables, state)
    return Product(store, spec, tables)


def _tables(history: History) -> dict[str, pa.Table]:
    """The tables of a history: values tell the rows apart."""
    profiles = [
        {
            "member_id": member,
            "valid_from": ORIGIN + time,
            "written": ORIGIN + created,
            "seniority": row,
            "country": "ü",
        }
        for row, (member, time, created) in enumerate(history.profiles)
    ]
    recent = [
        {"member_id": member, "valid_from": ORIGIN + time, "streak": row}
        for row, (member, time) in enumerate(history.recent)
    ]
    posts = [
        {"post_id": post, "valid_from": ORIGIN + time, "topic": topic,
         "title": (post, "", None, "ü\n東")[row % 4],  # missing is not empty
         "embedding": [row, -0.0, 1e-30]}
        for row, (post, time, topic) in enumerate(history.posts)
    ]  # fmt: skip
    shown = [
        {"impression_id": row, "time": ORIGIN + time, "settled_time": ORIGIN + time + wait, "member": member,
         "post_id": post, "surface": surface, "place": 0, "device": "web", "click": click}
        for row, (time, wait, member, post, surface, click) in enumerate(history.shown)
    ]  # fmt: skip
    rows = {"member_profiles": profiles, "member_recent": recent, "posts": posts, "impressions": shown}
    return {name: pa.Table.from_pylist(rows[name], pa.schema(kinds.items())) for name, kinds in KINDS.items()}
