"""Codes as a table of an ingest and as a view of the store: strictly before in training, the same in serving."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feature_repo.as_of import features_as_of
from feature_repo.materialise import materialize
from feature_repo.semantic import semantic_tables
from feature_repo.sources import read_manifest, read_table
from feature_repo.sources.adapters import check
from feature_repo.sources.errors import SourceError
from feature_repo.sources.ingest import ingest
from models.features import online_views
from models.spec import Spec, SpecError
from models.time_units import DAY, HOUR, microseconds
from tests.factories import specs
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World
from tests.feature_repo.sources import fakes

BLOCK = {"node": "member", "events": ["follows"], "vector": "taste", "codes": 2, "levels": 1, "kind": "fsq"}


def spec_of(**block: Any) -> Spec:
    return specs.spec_of({**fakes.DOCUMENT, "semantic_ids": {"circle": {**BLOCK, **block}}})


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, pd.DataFrame]:
    tables = fakes.small_tables()
    tables["follows"]["time"] = fakes.instants(["2025-12-02", "2025-12-03", "2025-12-03"])
    fakes.install_adapter(monkeypatch, lambda spec, data: tables)
    return tables


def test_the_manifest_says_what_the_codes_are_and_the_data_ends_with_the_data(tmp_path: Path) -> None:
    manifest = ingest(spec_of(), None, tmp_path / "tables", str(tmp_path / "kept"))
    assert manifest == read_manifest(tmp_path / "tables")
    facts = manifest["semantic_ids"]["circle"]
    assert (facts["fitted_to"], facts["bytes_per_key"], len(facts["quantizer"])) == (2, 1, 64)
    assert manifest["tables"]["semantic_circle"]["last"] is None
    assert manifest["last"] == ingest(specs.spec_of(fakes.DOCUMENT), None, tmp_path / "plain")["last"]
    found = read_table(tmp_path / "tables", "semantic_circle")
    assert list(found["member_id"]) == [1, 2]
    again = ingest(spec_of(), None, tmp_path / "again", str(tmp_path / "kept"))
    assert again["tables"] == manifest["tables"] == ingest(spec_of(), None, tmp_path / "other")["tables"]


def test_an_error_leaves_nothing(tmp_path: Path, fake: dict[str, pd.DataFrame]) -> None:
    fake["follows"]["time"] = fakes.instants(["2026-01-05"] * 3)
    with pytest.raises(SourceError, match=r"semantic_ids\.circle: expected at least 2 nodes 'member' .*; found 0"):
        ingest(spec_of(), None, tmp_path / "tables")
    assert not list(tmp_path.iterdir())


def test_a_table_of_the_adapter_may_not_have_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.install_adapter(monkeypatch, lambda spec, data: {}, {**fakes.TABLES, "Semantic_circle": ("a",)})
    with pytest.raises(SourceError, match="expected a name that no table of ours has"):
        check(spec_of())
    with pytest.raises(SpecError, match="found 'tastes'"):
        spec_of(vector="tastes")


VISIBLE = microseconds(tiny.START) + 2 * DAY + 3 * HOUR
"""When the codes of all likes are visible."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    block = {"node": "member", "events": ["liked"], "vector": "embedding", "codes": 2, "levels": 1}
    spec = tiny.tiny_spec(semantic_ids={"tastes": block}, windows=specs.windows(graph=3, train=2, validate=2))
    tables, state = tiny.tables(spec, tmp_path / "tables"), tmp_path / "state"
    frames, _ = semantic_tables(
        spec, {name: pd.read_parquet(tables / f"{name}.parquet") for name in ("posts", "likes")}, None
    )
    tiny.write(tables, "semantic_tastes", frames["semantic_tastes"])
    world = World(tiny.store_of(spec, state), spec, tables, state)
    tiny.apply_tables(world.store, spec, tables, state)
    return world


def online(world: World) -> dict[str, list[Any]]:
    names, rows = world.spec.nodes["member"].views["tastes"].features, [{"member_id": one} for one in tiny.MEMBERS]
    found = world.store.get_online_features(features=[f"tastes:{name}" for name in names], entity_rows=rows).to_dict()
    return {name: found[name] for name in names}


def test_training_reads_them_strictly_after_the_delay_and_the_store_has_the_same(world: World) -> None:
    keys = {"member_id": np.array(tiny.MEMBERS)}

    def as_of(time: int) -> dict[str, list[Any]]:
        found = features_as_of(world.store, keys, np.full(len(tiny.MEMBERS), time), ["tastes"])
        return {name: found[name].to_pylist() for name in world.spec.nodes["member"].views["tastes"].features}

    assert "tastes" in online_views(world.spec)
    assert as_of(VISIBLE)["tastes_code_1"] == [None] * len(tiny.MEMBERS)
    known = as_of(VISIBLE + 1)
    assert None not in known["tastes_code_1"]
    materialize(world.store, world.spec, VISIBLE + 1)
    assert online(world) == known


def test_codes_that_are_visible_after_the_end_of_the_data_go_online(world: World) -> None:
    materialize(world.store, world.spec, VISIBLE - HOUR)
    assert online(world)["tastes_code_1"] == [None] * len(tiny.MEMBERS)
    materialize(world.store, world.spec, VISIBLE - HOUR, snapshots_until=VISIBLE + 1)
    assert None not in online(world)["tastes_code_1"]


def test_those_that_are_not_visible_yet_are_not_counted_as_ahead_of_the_clock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.clock.now", lambda: VISIBLE - HOUR)
    ahead = materialize(world.store, world.spec, VISIBLE - HOUR, snapshots_until=VISIBLE - HOUR).ahead
    assert "member_profile" in ahead
    assert "tastes" not in ahead
