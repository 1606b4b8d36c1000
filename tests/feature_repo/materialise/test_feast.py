"""Materialisation beside what else reads and writes the store: the stream, Redis, Feast's own commands."""

from datetime import timedelta
from pathlib import Path

from feature_repo.materialise import materialize
from tests.feature_repo import kept, tiny
from tests.feature_repo.kept import END, Kept, at, full_run, open_kept
from tests.feature_repo.redis_server import running_redis

MEMBERS, POSTS = list(tiny.MEMBERS), list(tiny.POSTS)


def test_rows_say_that_they_come_from_the_offline_truth(own: Kept) -> None:
    from feature_repo.packed.layout import layout_of
    from feature_repo.packed.pack import FLAG_BATCH, unpack

    own.run()
    for view, rows in own.dump().items():
        found = unpack(layout_of(own.store.get_feature_view(view)), list(rows.values()))
        assert found.found.all()
        assert (found.flags == FLAG_BATCH).all()


def test_last_activities_are_those_before_the_moment(own: Kept) -> None:
    liked = at(1)  # members 1 and 2 and so on within three hours of it
    own.run(liked + 1)
    members = [{"member_id": member} for member in MEMBERS]

    def times() -> list[list[int] | None]:
        feature = "recent_activities:recent_times"
        return own.store.get_online_features(features=[feature], entity_rows=members).to_dict()["recent_times"]

    assert times() == [[liked], None, None, None, None]
    own.run(END)
    assert times() == [[liked + member // 2 * 3_600_000_000] for member in MEMBERS]


def test_redis_holds_what_sqlite_holds(own: Kept, tmp_path: Path) -> None:
    expected = full_run(own)
    with running_redis() as address:
        online = {"type": "feature_repo.stores.online.PackedRedisOnlineStore", "connection_string": address}
        other = open_kept(tmp_path / "redis", online=online)
        for day, since_last in ((4.5, False), (3, False), (4.5, True)):
            materialize(other.store, other.spec, at(day), since_last=since_last)
        assert other.dump() == expected


def test_feast_knows_the_intervals_and_goes_on_from_them(own: Kept) -> None:
    own.run(at(3))
    own.run(at(3))
    view = own.store.get_feature_view("posts")
    assert view.most_recent_end_time == kept.moment(3) - timedelta(microseconds=1)
    assert len(view.materialization_intervals) == 1
    own.store.materialize_incremental(kept.moment(5), feature_views=["posts"])
    assert own.read("posts", "visits", POSTS) == [500.0, 501.0, 502.0]  # Feast's own bound is inclusive


def test_the_stock_command_writes_the_same_values(own: Kept) -> None:
    own.store.materialize(kept.START, kept.moment(4), feature_views=list(kept.VIEWS))
    stock = {view: own.read(view, feature, keys) for view, feature, keys in _READS}
    own.clear()
    own.run(at(4) + 1)
    assert {view: own.read(view, feature, keys) for view, feature, keys in _READS} == stock
    own.store.materialize(kept.START, kept.moment(9), feature_views=list(kept.VIEWS))
    assert own.read("posts", "visits", POSTS) == [500.0, 501.0, 502.0]


_READS = (("profile", "country", MEMBERS), ("streaks", "streak", MEMBERS), ("posts", "visits", POSTS))


def test_another_source_forgets_what_was_written(own: Kept) -> None:
    own.run()
    assert len(own.records()) == 4
    source = own.spec.source.model_copy(update={"adapter": "kuairand"})
    own.again(own.spec.model_copy(update={"source": source}))
    assert own.records() == {}
    assert own.read("posts", "visits", POSTS) == [None] * 3
