from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from feature_repo.applied import NOTE, products, read_applied
from feature_repo.materialise import materialize
from feature_repo.notes import notes_of
from feature_repo.packed.keys import view_prefix
from feature_repo.push import push, slot_of
from feature_repo.quality import last_seen
from feature_repo.store import open_store, project_of
from feature_repo.stores.online.bulk import rows_of
from feature_repo.views.errors import DefinitionError, NotAppliedError
from feature_repo.views.pushed import pushed_file
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
    tiny.apply_tables(own_world.store, own_world.spec, own_world.tables, own_world.state)
    assert sorted(view.name for view in own_world.store.list_feature_views()) == before
    assert len(before) == 17


def test_what_the_spec_no_longer_has_is_deleted(own_world: World) -> None:
    spec = tiny.tiny_spec(counters={"member_counts": {"keys": ["member"]}})
    tiny.apply_tables(own_world.store, spec, own_world.tables, own_world.state)
    assert "post_counts" not in {view.name for view in own_world.store.list_feature_views()}
    assert "post_counts" not in {source.name for source in own_world.store.list_data_sources()}
    assert "surface" not in {entity.name for entity in own_world.store.list_entities()}


def test_the_registry_is_read_anew_once_and_not_after_each_object(
    own_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, refresh, reads = own_world.store.registry, own_world.store.registry.refresh, list[Any]()

    def counted(project: str | None = None) -> None:
        reads.append(project)
        refresh(project)

    monkeypatch.setattr(registry, "refresh", counted)
    spec = tiny.tiny_spec(counters={"member_counts": {"keys": ["member"]}})
    tiny.apply_tables(own_world.store, spec, own_world.tables, own_world.state)
    assert len(reads) == 1
    assert registry.cache_mode == "sync"
    cached = {view.name for view in registry.list_feature_views(own_world.store.project, allow_cache=True)}
    assert cached == {view.name for view in own_world.store.list_feature_views()}
    assert "post_counts" not in cached


def test_another_source_starts_with_empty_views(own_world: World, tmp_path: Path) -> None:
    store = own_world.store
    materialize(store, own_world.spec)
    push(store, own_world.spec, tiny.vectors(tmp_path / "vectors"), "1", "e1")
    assert None not in _online(own_world, "member_profile", "seniority", _members())
    spec = tiny.tiny_spec()
    spec = spec.model_copy(update={"source": spec.source.model_copy(update={"adapter": "kuairand"})})
    tiny.apply_tables(store, spec, *own_world[2:])
    assert _online(own_world, "member_profile", "seniority", _members()) == [None] * len(tiny.MEMBERS)
    assert slot_of(store, "1") is None
    assert last_seen(store) == 0
    file = pushed_file(tiny.pushed_of(store, own_world.state), "member_vectors_blue")
    assert pq.read_metadata(file).num_rows == 0


def test_two_products_of_one_store_never_meet(own_world: World, tmp_path: Path) -> None:
    """On a shared Redis and registry, a product deleted the other's views and vectors."""
    materialize(own_world.store, own_world.spec)
    push(own_world.store, own_world.spec, tiny.vectors(tmp_path / "vectors"), "1", "e1")
    before = dict(rows_of(own_world.store).dump(f"{own_world.store.project}\0".encode()))
    other = tiny.tiny_spec(name="other")
    store = tiny.store_of(other, own_world.state)
    tiny.apply_tables(store, other, *own_world[2:])
    materialize(store, other)
    push(store, other, tmp_path / "vectors", "1", "f1")
    assert dict(rows_of(own_world.store).dump(f"{own_world.store.project}\0".encode())) == before
    assert {view.name for view in store.list_feature_views()} == {v.name for v in own_world.store.list_feature_views()}
    assert products(store) == {name: project_of(name) for name in (own_world.spec.name, "other")}
    with pytest.raises(NotAppliedError, match=r"expected the features of tiny; found those of other"):
        tiny.apply_tables(store, own_world.spec, *own_world[2:])


def test_a_pipeline_that_only_looks_writes_nothing_that_serves(own_world: World, tmp_path: Path) -> None:
    push(own_world.store, own_world.spec, tiny.vectors(tmp_path / "vectors"), "1", "e1")
    before = dict(rows_of(own_world.store).dump(f"{own_world.store.project}\0".encode()))
    files = {file: file.read_bytes() for file in own_world.state.rglob("*.parquet")}
    scratch = open_store(tiny.CONFIG, own_world.state, project_of(own_world.spec.name, "monitoring"))
    tiny.apply_tables(scratch, own_world.spec, *own_world[2:])
    materialize(scratch, own_world.spec)
    assert dict(rows_of(own_world.store).dump(f"{own_world.store.project}\0".encode())) == before
    assert {file: file.read_bytes() for file in files} == files
    assert read_applied(scratch) is not None
    assert list(products(scratch)) == [own_world.spec.name]


def test_a_note_that_cannot_be_read_does_not_stand_in_the_way(own_world: World) -> None:
    notes = notes_of(own_world.store)

    def older(found: Any) -> Any:
        return {**found, "spec": found["spec"].replace("home_domain", "domain_of_old")}

    notes.change(NOTE, older)
    tiny.apply_tables(own_world.store, own_world.spec, own_world.tables, own_world.state)
    assert "home_domain" in notes.read(NOTE)["spec"]


def test_a_missing_table_is_an_error_before_anything_is_applied(tmp_path: Path) -> None:
    spec = tiny.tiny_spec()
    tables = tiny.tables(spec, tmp_path / "tables")
    (tables / "posts.parquet").unlink()
    store = tiny.store_of(spec, tmp_path / "state")
    with pytest.raises(NotAppliedError, match="post_content"):
        tiny.apply_tables(store, spec, tables, tmp_path / "state")
    assert store.list_feature_views() == []


def test_rows_that_only_their_order_tells_apart_are_an_error(own_world: World) -> None:
    frame = pd.read_parquet(own_world.tables / "companies.parquet")
    tiny.write(own_world.tables, "companies", pd.concat([frame, frame.assign(size=0.0)]))
    with pytest.raises(DefinitionError, match=r"company_profile.*found 2"):
        tiny.apply_tables(own_world.store, own_world.spec, own_world.tables, own_world.state)


def test_rows_that_mean_something_else_now_are_deleted(own_world: World) -> None:
    store, spec, tables, state = own_world
    materialize(store, spec)
    before = _rows(store, spec)
    assert all(before.values())
    document = spec.model_dump(mode="json", by_alias=True)
    document["counters"]["member_counts"]["filter"] = {"surface": ["feed"]}
    changed = Spec.model_validate(document)
    tiny.apply_tables(store, changed, tables, state)
    assert _rows(store, changed) == {**before, "member_counts": 0}
    materialize(store, changed)
    assert _rows(store, changed) == before


def _rows(store: Any, spec: Spec) -> dict[str, int]:
    rows = rows_of(store)
    return {name: len(list(rows.dump(view_prefix(store.project, name)))) for name in counter_views(spec)}
