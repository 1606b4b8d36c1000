from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_repo.applied import applied_file, pushed_folder
from feature_repo.apply import apply, materialize
from feature_repo.as_of import features_as_of
from feature_repo.errors import DefinitionError, NotAppliedError
from feature_repo.push import push
from feature_repo.store import open_store
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World

MIDNIGHT = tiny.microseconds(tiny.START + 5 * tiny.DAY)


def _online(world: World, view: str, feature: str, rows: list[dict[str, Any]]) -> list[Any]:
    return world.store.get_online_features(features=[f"{view}:{feature}"], entity_rows=rows).to_dict()[feature]


def _members() -> list[dict[str, Any]]:
    return [{"member_id": member} for member in tiny.MEMBERS]


def test_applying_again_changes_nothing(own_world: World) -> None:
    before = sorted(view.name for view in own_world.store.list_feature_views())
    apply(own_world.store, own_world.spec, own_world.tables, own_world.state)
    assert sorted(view.name for view in own_world.store.list_feature_views()) == before
    assert len(before) == 9


def test_what_the_spec_no_longer_has_is_deleted(own_world: World) -> None:
    text = tiny.TEXT.replace("  post_counts: {keys: [item]}\n", "").replace(
        "  member_surface_counts: {keys: [member, surface]}\n", ""
    )
    apply(own_world.store, tiny.tiny_spec(text), own_world.tables, own_world.state)
    assert "post_counts" not in {view.name for view in own_world.store.list_feature_views()}
    assert "post_counts" not in {source.name for source in own_world.store.list_data_sources()}
    assert "surface" not in {entity.name for entity in own_world.store.list_entities()}


def test_another_product_starts_with_empty_views(own_world: World, tmp_path: Path) -> None:
    materialize(own_world.store, own_world.spec)
    push(own_world.store, own_world.spec, tiny.vectors(tmp_path / "vectors"), "1", own_world.state)
    assert None not in _online(own_world, "member_profile", "seniority", _members())
    apply(own_world.store, tiny.tiny_spec(tiny.TEXT.replace("name: tiny", "name: other")), *own_world[2:])
    assert _online(own_world, "member_profile", "seniority", _members()) == [None] * len(tiny.MEMBERS)
    assert pq.read_metadata(pushed_folder(own_world.state) / "member_vectors.parquet").num_rows == 0


def test_a_note_that_cannot_be_read_does_not_stand_in_the_way(own_world: World) -> None:
    file = applied_file(own_world.state)
    file.write_text(file.read_text().replace("home_domain", "domain_of_old"))
    apply(own_world.store, own_world.spec, own_world.tables, own_world.state)
    assert "home_domain" in file.read_text()


def test_a_missing_table_is_an_error_before_anything_is_applied(tmp_path: Path) -> None:
    spec = tiny.tiny_spec()
    tables = tiny.tables(spec, tmp_path / "tables")
    (tables / "posts.parquet").unlink()
    store = open_store(tiny.CONFIG, tmp_path / "state")
    with pytest.raises(NotAppliedError, match="post_content"):
        apply(store, spec, tables, tmp_path / "state")
    assert store.list_feature_views() == []


def test_rows_that_only_their_order_tells_apart_are_an_error(own_world: World) -> None:
    frame = pd.read_parquet(own_world.tables / "companies.parquet")
    tiny.write(own_world.tables, "companies", pd.concat([frame, frame.assign(size=0.0)]))
    with pytest.raises(DefinitionError, match=r"company_profile.*found 2"):
        apply(own_world.store, own_world.spec, own_world.tables, own_world.state)


@pytest.mark.parametrize("until", [MIDNIGHT, MIDNIGHT + 1, tiny.microseconds(tiny.START + 4.5 * tiny.DAY)])
def test_the_online_store_holds_what_training_sees_at_that_moment(own_world: World, until: int) -> None:
    rows = materialize(own_world.store, own_world.spec, until)
    assert rows["member_counts"] == len(tiny.MEMBERS)
    for view in ("member_counts", "member_profile", "member_recent"):
        times = np.full(len(tiny.MEMBERS), until)
        for feature, column in features_as_of(
            own_world.store, {"member_id": np.array(tiny.MEMBERS)}, times, [view]
        ).items():
            assert _online(own_world, view, feature, _members()) == column.to_pylist()


def test_rows_that_outlived_their_ttl_are_not_written(own_world: World) -> None:
    valid = tiny.microseconds(tiny.START + 2 * tiny.DAY)
    ttl = int(timedelta(days=3) / timedelta(microseconds=1))
    assert materialize(own_world.store, own_world.spec, valid + ttl + 2)["member_recent"] == 0
    assert materialize(own_world.store, own_world.spec, valid + ttl + 1)["member_recent"] == len(tiny.MEMBERS)


def test_by_default_everything_is_written_once_more_without_a_change(own_world: World) -> None:
    first = materialize(own_world.store, own_world.spec)
    values = _online(own_world, "member_counts", "member_counts_exposures", _members())
    assert materialize(own_world.store, own_world.spec) == first
    assert _online(own_world, "member_counts", "member_counts_exposures", _members()) == values
    last = pd.read_parquet(own_world.tables / "counter_member_counts.parquet").set_index("valid_from").loc[
        tiny.START + tiny.DAYS * tiny.DAY
    ]  # fmt: skip
    assert values == last["member_counts_exposures"].tolist()


def test_an_empty_table_materialises_to_nothing(own_world: World) -> None:
    frame = pd.read_parquet(own_world.tables / "posts.parquet").iloc[:0]
    tiny.write(own_world.tables, "posts", frame)
    assert materialize(own_world.store, own_world.spec)["post_content"] == 0
