from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.applied import pushed_folder
from feature_repo.errors import PushError
from feature_repo.push import check_pushed, push, restore, settle
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World


def _online(world: World, features: list[str], rows: list[dict[str, object]]) -> dict[str, list[object]]:
    return world.store.get_online_features(features=features, entity_rows=rows).to_dict()


def test_pushed_vectors_are_read_back_exactly(own_world: World, tmp_path: Path) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    rows = push(own_world.store, own_world.spec, folder, "7", own_world.state)
    assert rows == {"member_vectors": 5, "item_vectors": 3}
    written = pq.read_table(folder / "member.parquet").to_pydict()
    names = ["member_tokens", "activity_tokens", "activity_times"]
    members = [{"member_id": member} for member in [*tiny.MEMBERS, 99]]
    found = _online(own_world, [f"member_vectors:{name}" for name in [*names, "member_model_version"]], members)
    for name in names:
        # Feast gives an empty list back as none: a member without activities.
        assert [value or [] for value in found[name]] == [*written[name], []]
    assert found["member_model_version"] == ["7"] * 5 + [None]
    items = [{"post_id": post} for post in tiny.POSTS]
    found = _online(own_world, ["item_vectors:item_tokens", "item_vectors:item_model_version"], items)
    assert found["item_tokens"] == pq.read_table(folder / "item.parquet")["item_tokens"].to_pylist()
    assert found["item_model_version"] == ["7"] * 3


def test_a_later_push_replaces_the_file_and_the_online_rows(own_world: World, tmp_path: Path) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    push(own_world.store, own_world.spec, folder, "1", own_world.state)
    push(own_world.store, own_world.spec, folder, "2", own_world.state)
    table = pq.read_table(pushed_folder(own_world.state) / "member_vectors.parquet")
    assert table["member_model_version"].unique().to_pylist() == ["2"]
    assert table.num_rows == 5
    assert str(table.schema.field("as_of").type) == "timestamp[us, tz=UTC]"
    assert _online(own_world, ["item_vectors:item_model_version"], [{"post_id": "p1"}])["item_model_version"] == ["2"]


def _versions(world: World) -> list[object]:
    """In the file and in the online store."""
    file = pq.read_table(pushed_folder(world.state) / "item_vectors.parquet")["item_model_version"].unique().to_pylist()
    online = _online(world, ["item_vectors:item_model_version"], [{"post_id": "p1"}])["item_model_version"]
    return [*file, *online]


def test_what_a_push_replaced_is_put_back(own_world: World, tmp_path: Path) -> None:
    store, spec, state = own_world.store, own_world.spec, own_world.state
    folder = tiny.vectors(tmp_path / "vectors")
    assert restore(store, spec, state) == {}
    push(store, spec, folder, "1", state)
    before = pq.read_table(pushed_folder(state) / "member_vectors.parquet")
    assert restore(store, spec, state) == {}
    for version in ("2", "2", "3"):  # pushed again after a kill; then by a run after one that never deployed
        push(store, spec, folder, version, state)
    with pytest.raises(PushError, match="expected vectors of version 2; found those of version 3"):
        check_pushed(state, "2")
    check_pushed(state, "3")
    assert restore(store, spec, state) == {"member_vectors": 5, "item_vectors": 3}
    assert _versions(own_world) == ["1", "1"]
    assert pq.read_table(pushed_folder(state) / "member_vectors.parquet").equals(before)
    assert restore(store, spec, state) == {}


def test_what_a_deployment_settled_or_a_newer_push_made_obsolete_is_not_put_back(
    own_world: World, tmp_path: Path
) -> None:
    store, spec, state = own_world.store, own_world.spec, own_world.state
    folder = tiny.vectors(tmp_path / "vectors")
    push(store, spec, folder, "1", state)
    push(store, spec, folder, "2", state)
    settle(state)
    assert restore(store, spec, state) == {}
    push(store, spec, folder, "3", state)
    push(store, spec, folder, "2", state)  # a refresh of what is served
    assert restore(store, spec, state) == {}
    assert _versions(own_world) == ["2", "2"]


def test_what_was_kept_is_whole_before_anything_is_replaced(
    own_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    push(own_world.store, own_world.spec, folder, "1", own_world.state)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("feature_repo.push.write_pushed", killed)
    with pytest.raises(KeyboardInterrupt):
        push(own_world.store, own_world.spec, folder, "2", own_world.state)
    monkeypatch.undo()
    kept = sorted(path.name for path in pushed_folder(own_world.state).glob("*.previous.parquet"))
    assert kept == ["item_vectors.previous.parquet", "member_vectors.previous.parquet"]
    restore(own_world.store, own_world.spec, own_world.state)
    assert _versions(own_world) == ["1", "1"]


def test_before_the_first_push_the_files_are_empty_and_typed(world: World) -> None:
    table = pq.read_table(pushed_folder(world.state) / "item_vectors.parquet")
    assert table.num_rows == 0
    names = ["item_tokens", "item_creator", "item_neighbours", "item_model_version"]
    assert table.schema.names == ["post_id", "as_of", *names]


def test_empty_vectors_push_nothing(own_world: World, tmp_path: Path) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    for file in folder.glob("*.parquet"):
        pq.write_table(pq.read_table(file).slice(0, 0), file)
    rows = push(own_world.store, own_world.spec, folder, "1", own_world.state)
    assert rows == {"member_vectors": 0, "item_vectors": 0}


def _drop(table: pa.Table) -> pa.Table:
    return table.drop_columns("item_tokens")


def _twice(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table])


def _null(table: pa.Table) -> pa.Table:
    return table.set_column(0, "key", pa.array(["p1", None, "p3"]))


def _text(table: pa.Table) -> pa.Table:
    return table.set_column(table.schema.get_field_index("item_tokens"), "item_tokens", pa.array(["a", "b", "c"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop, "expected column item_tokens"),
        (_twice, "found 3 keys that stand again"),
        (_null, "expected no nulls in key"),
        (_text, "expected list<.*> in item_tokens"),
    ],
)
def test_a_bad_file_is_an_error_and_nothing_is_written(
    world: World, tmp_path: Path, change: object, message: str
) -> None:
    folder = tiny.vectors(tmp_path / "vectors")
    pq.write_table(change(pq.read_table(folder / "item.parquet")), folder / "item.parquet")  # type: ignore[operator]
    with pytest.raises(PushError, match=message):
        push(world.store, world.spec, folder, "1", world.state)
    assert pq.read_metadata(pushed_folder(world.state) / "member_vectors.parquet").num_rows == 0


def test_a_missing_file_names_the_step_before(world: World, tmp_path: Path) -> None:
    with pytest.raises(PushError, match="Run the embed step first"):
        push(world.store, world.spec, tmp_path, "1", world.state)
