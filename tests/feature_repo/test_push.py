from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.push import PushError, check_pushed, push, pushed_until, slot_of
from feature_repo.views.pushed import pushed_file, write_pushed
from models.features import SLOTS
from models.time_units import microseconds
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World


def _online(world: World, features: list[str], rows: list[dict[str, object]]) -> dict[str, list[object]]:
    return world.store.get_online_features(features=features, entity_rows=rows).to_dict()


def test_pushed_vectors_are_read_back_exactly(own_world: World, tmp_path: Path) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    rows = push(own_world.store, own_world.spec, folder, "7", "e7")
    assert rows == {"member_vectors_blue": 5, "item_vectors_blue": 3}
    written = pq.read_table(folder / "member.parquet").to_pydict()
    names = ["member_tokens", "activity_tokens", "activity_times"]
    members = [{"member_id": member} for member in [*tiny.MEMBERS, 99]]
    found = _online(own_world, [f"member_vectors_blue:{name}" for name in [*names, "member_encoder"]], members)
    for name in names:
        # Feast gives an empty list back as none: a member without activities.
        assert [value or [] for value in found[name]] == [*written[name], []]
    assert found["member_encoder"] == ["e7"] * 5 + [None]
    items = [{"post_id": post} for post in tiny.POSTS]
    found = _online(own_world, ["item_vectors_blue:item_tokens", "item_vectors_blue:item_encoder"], items)
    assert found["item_tokens"] == pq.read_table(folder / "item.parquet")["item_tokens"].to_pylist()
    assert found["item_encoder"] == ["e7"] * 3


def pushed(world: World, view: str) -> str:
    """The file of a pushed view."""
    return pushed_file(tiny.pushed_of(world.store, world.state), view)


def _online_encoders(world: World) -> dict[str, object]:
    """Slot -> the encoder of an item's vectors in the online store."""
    name = "item_encoder"
    return {slot: _online(world, [f"item_vectors_{slot}:{name}"], [{"post_id": "p1"}])[name][0] for slot in SLOTS}


def test_a_later_push_of_a_version_replaces_the_file_and_the_online_rows(own_world: World, tmp_path: Path) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    push(own_world.store, own_world.spec, folder, "1", "e1")
    push(own_world.store, own_world.spec, folder, "1", "e1")
    table = pq.read_table(pushed(own_world, "member_vectors_blue"))
    assert table["member_encoder"].unique().to_pylist() == ["e1"]
    assert table.num_rows == 5
    assert str(table.schema.field("as_of").type) == "timestamp[us, tz=UTC]"
    assert _online_encoders(own_world) == {"blue": "e1", "green": None, "amber": None}


def test_a_new_version_never_takes_the_place_of_one_that_serves(own_world: World, tmp_path: Path) -> None:
    store, spec = own_world.store, own_world.spec
    folder = tiny.vectors(tmp_path / "vectors")
    for version, served, expected in [
        ("1", [], ["e1", None, None]),
        ("2", ["1"], ["e1", "e2", None]),
        ("3", ["1"], ["e1", "e2", "e3"]),
        ("4", ["1", "3"], ["e1", "e4", "e3"]),  # 2 was never deployed
        ("4", ["1", "3"], ["e1", "e4", "e3"]),  # again, after a kill
        ("5", ["4", "3"], ["e5", "e4", "e3"]),  # 1 serves no more
        ("3", ["4", "3"], ["e5", "e4", "e3"]),  # a refresh of what serves
    ]:
        push(store, spec, folder, version, f"e{version}", served)
        assert list(_online_encoders(own_world).values()) == expected
    with pytest.raises(PushError, match=r"expected a free slot for version 6; found all taken .* \(5 \(blue\), 4 "):
        push(store, spec, folder, "6", "e6", ["3", "4", "5"])
    assert list(_online_encoders(own_world).values()) == ["e5", "e4", "e3"]
    assert [slot_of(store, version) for version in "12345"] == [None, None, "amber", "green", "blue"]
    assert check_pushed(store, "4") == "green"
    with pytest.raises(PushError, match=r"expected those of version 2; found 5 \(blue\), 4 \(green\), 3 \(amber\)"):
        check_pushed(store, "2")
    assert pushed_until(store, "4") == microseconds(tiny.START + 8 * tiny.DAY)
    assert pushed_until(store, "2") == 0


def _until(folder: Path, days: int) -> Path:
    """The vectors in ``folder``, of data that end ``days`` after the start."""
    for file in folder.glob("*.parquet"):
        table = pq.read_table(file)
        place = table.schema.get_field_index("as_of")
        pq.write_table(table.set_column(place, "as_of", pa.array([tiny.START + days * tiny.DAY] * len(table))), file)
    return folder


@pytest.mark.parametrize(
    ("days", "version", "served", "goes_back"),
    [
        (8, "1", ["1"], False),
        (9, "1", ["1"], False),
        (7, "1", ["1"], True),
        (7, "1", [], True),
        (7, "2", ["1"], True),  # a new version, of older data than what serves
        (7, "2", [], False),
        (8, "2", ["1", "0"], False),
    ],
)
def test_vectors_of_older_data_are_pushed_with_a_warning(
    own_world: World,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    days: int,
    version: str,
    served: list[str],
    goes_back: bool,
) -> None:
    store, spec = own_world.store, own_world.spec
    folder = tiny.vectors(tmp_path / "vectors")
    assert push(store, spec, folder, "1", "e1").older is None
    done = push(store, spec, _until(folder, days), version, f"e{version}", served)
    assert done.until == pushed_until(store, version) == microseconds(tiny.START + days * tiny.DAY)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warned == ([f"version {version}: {done.older}"] if goes_back else [])
    if goes_back:
        assert done.older is not None
        assert "until 2026-01-08T00:00:00+00:00 only; those before knew events until 2026-01-09" in done.older


def test_half_a_push_is_no_push(own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, spec = own_world.store, own_world.spec
    folder = tiny.vectors(tmp_path / "vectors")
    for version in "123":
        push(store, spec, folder, version, f"e{version}", ["1"])

    def killed(table: pa.Table, pushed: str, view: str) -> None:
        if view.startswith("item"):
            raise KeyboardInterrupt
        write_pushed(table, pushed, view)

    monkeypatch.setattr("feature_repo.push.write_pushed", killed)
    with pytest.raises(KeyboardInterrupt):
        push(store, spec, folder, "4", "e4", ["1"])
    monkeypatch.undo()
    assert [slot_of(store, version) for version in "1234"] == ["blue", None, "amber", None]
    push(store, spec, folder, "4", "e4", ["1", "3"])
    assert list(_online_encoders(own_world).values()) == ["e1", "e4", "e3"]
    assert slot_of(store, "4") == "green"


def test_before_the_first_push_the_files_are_empty_and_typed(world: World) -> None:
    table = pq.read_table(pushed(world, "item_vectors_blue"))
    assert table.num_rows == 0
    names = ["item_tokens", "item_creator", "item_neighbours", "item_encoder"]
    assert table.schema.names == ["post_id", "as_of", *names]


def test_empty_vectors_push_nothing(own_world: World, tmp_path: Path) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    for file in folder.glob("*.parquet"):
        pq.write_table(pq.read_table(file).slice(0, 0), file)
    rows = push(own_world.store, own_world.spec, folder, "1", "e1")
    assert rows == {"member_vectors_blue": 0, "item_vectors_blue": 0}
    assert (rows.until, rows.older) == (0, None)


def _drop(table: pa.Table) -> pa.Table:
    return table.drop_columns("item_tokens")


def _twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table])


def _null(table: pa.Table) -> pa.Table:
    return table.set_column(0, "key", pa.array(["p1", None, "p3"]))


def _ahead(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("as_of"), "as_of", pa.array([2**60] * table.num_rows))


def _text(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("item_tokens"), "item_tokens", pa.array(["a", "b", "c"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop, "expected column item_tokens"),
        (_twice, "found 3 duplicate keys"),
        (_null, "expected no nulls in key"),
        (_text, "expected list<.*> in item_tokens"),
        (_ahead, "expected a time up to .* in as_of; found 1152921504606846976 microseconds"),
    ],
)
def test_a_bad_file_is_an_error_and_nothing_is_written(
    world: World, tmp_path: Path, change: object, message: str
) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    pq.write_table(change(pq.read_table(folder / "item.parquet")), folder / "item.parquet")  # type: ignore[operator]
    with pytest.raises(PushError, match=message):
        push(world.store, world.spec, folder, "1", "e1")
    assert pq.read_metadata(pushed(world, "member_vectors_blue")).num_rows == 0


def test_a_missing_file_names_the_step_before(world: World, tmp_path: Path) -> None:
    with pytest.raises(PushError, match="Run the embed step first"):
        push(world.store, world.spec, tmp_path, "1", "e1")
