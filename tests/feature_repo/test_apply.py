from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_repo.applied import applied_file, pushed_folder
from feature_repo.apply import apply
from feature_repo.materialise import materialize
from feature_repo.packed.keys import view_prefix
from feature_repo.push import push
from feature_repo.store import open_store
from feature_repo.stores.online.bulk import rows_of
from feature_repo.views.errors import DefinitionError, NotAppliedError
from models.features import counter_views
from models.spec import Spec
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World


def _online(world: World, view: str, feature: str, rows: list[dict[str, Any]]) -> list[Any]:
    return world.store.get_online_features(features=[f"{view}:{feature}"], entity_rows=rows).to_dict()[feature]


def _members() -> list[dict[str, Any]]:
    return [{"member_id": member} for member in tiny.MEMBERS]


def test_applying_again_changes_nothing(own_world: World) -> None:
    before = sorted(view.name for view in own_world.store.list_feature_views())
    apply(own_world.store, own_world.spec, own_world.tables, own_world.state)
    assert sorted(view.name for view in own_world.store.list_feature_views()) == before
    assert len(before) == 15


def test_what_the_spec_no_longer_has_is_deleted(own_world: World) -> None:
    spec = tiny.tiny_spec(counters={"member_counts": {"keys": ["member"]}})
    apply(own_world.store, spec, own_world.tables, own_world.state)
    assert "post_counts" not in {view.name for view in own_world.store.list_feature_views()}
    assert "post_counts" not in {source.name for source in own_world.store.list_data_sources()}
    assert "surface" not in {entity.name for entity in own_world.store.list_entities()}


def test_another_product_starts_with_empty_views(own_world: World, tmp_path: Path) -> None:
    materialize(own_world.store, own_world.spec)
    push(own_world.store, own_world.spec, tiny.vectors(tmp_path / "vectors"), "1", own_world.state)
    assert None not in _online(own_world, "member_profile", "seniority", _members())
    apply(own_world.store, tiny.tiny_spec(name="other"), *own_world[2:])
    assert _online(own_world, "member_profile", "seniority", _members()) == [None] * len(tiny.MEMBERS)
    assert pq.read_metadata(pushed_folder(own_world.state) / "member_vectors_blue.parquet").num_rows == 0


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


def test_rows_that_mean_something_else_now_are_deleted(own_world: World) -> None:
    store, spec, tables, state = own_world
    materialize(store, spec, state=state)
    before = _rows(store, spec)
    assert all(before.values())
    document = spec.model_dump(mode="json", by_alias=True)
    document["counters"]["member_counts"]["filter"] = {"surface": ["feed"]}
    changed = Spec.model_validate(document)
    apply(store, changed, tables, state)
    assert _rows(store, changed) == {**before, "member_counts": 0}
    materialize(store, changed, state=state)
    assert _rows(store, changed) == before


def _rows(store: Any, spec: Spec) -> dict[str, int]:
    rows = rows_of(store)
    return {name: len(list(rows.dump(view_prefix(store.project, name)))) for name in counter_views(spec)}
