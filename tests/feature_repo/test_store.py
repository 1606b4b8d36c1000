import contextlib
import os
import sqlite3
from pathlib import Path

import pytest
import yaml

from feature_repo.applied import products_in, project_for
from feature_repo.commands import main
from feature_repo.materialise import materialize
from feature_repo.packed.sqlite import TABLE
from feature_repo.quality import last_seen
from feature_repo.store import open_notes, open_store
from feature_repo.views.errors import NotAppliedError
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World

CLUSTERS = [tiny.CONFIG.with_name(f"feature_store.{name}.yaml") for name in ("cluster", "spark")]


def test_state_moves_the_embedded_parts(tmp_path: Path) -> None:
    store = open_store(tiny.CONFIG, tmp_path, "tiny")
    assert store.config.online_store.path == str(tmp_path / "feast" / "online.db")
    assert store.config.registry.path == f"sqlite:///{tmp_path}/feast/registry.db"
    assert store.project == "tiny"


def test_without_state_the_files_lie_beside_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "repo" / "feature_store.yaml"
    config.parent.mkdir()
    config.write_text(tiny.CONFIG.read_text())
    assert open_store(config, None, "tiny").config.online_store.path == str(tmp_path / "state" / "feast" / "online.db")


def test_no_configuration_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotAppliedError, match="no such file"):
        open_store(tmp_path / "feature_store.yaml")


def test_a_damaged_store_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "feast").mkdir()
    (tmp_path / "feast" / "online.db").write_text("no database " * 99, encoding="utf-8")
    for opened in (lambda: open_notes(tiny.CONFIG, tmp_path, "news"), lambda: products_in(tmp_path)):
        with pytest.raises(
            NotAppliedError, match=r"online\.db: expected a SQLite database .* run the pipeline `training`"
        ):
            opened()


def test_an_endpoint_reads_on_while_a_step_writes(own_world: World) -> None:
    materialize(own_world.store, own_world.spec)
    with contextlib.closing(sqlite3.connect(own_world.state / "feast" / "online.db")) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute(f"DELETE FROM {TABLE}")
        reader = tiny.store_of(own_world.spec, own_world.state)
        found = reader.get_online_features(features=["post_content:topic"], entity_rows=[{"post_id": "p1"}]).to_dict()
    assert found["topic"] == ["t0"]


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.name)
def test_a_clusters_configuration_names_services_by_address(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEAST_REGISTRY", "postgresql+psycopg://feast@registry/feast")
    monkeypatch.setenv("FEAST_REDIS", "redis:6379")
    document = yaml.safe_load(os.path.expandvars(path.read_text()))
    assert document["registry"]["path"] == "postgresql+psycopg://feast@registry/feast"
    packed = "feature_repo.stores.online.PackedRedisOnlineStore"
    assert document["online_store"] == {"type": packed, "connection_string": "redis:6379"}
    embedded = yaml.safe_load(tiny.CONFIG.read_text())
    assert document.keys() == embedded.keys()
    assert document["project"] == embedded["project"]


def test_the_clusters_configurations_differ_in_the_offline_store_alone() -> None:
    one, other = (yaml.safe_load(path.read_text()) for path in CLUSTERS)
    assert one.pop("offline_store") == yaml.safe_load(tiny.CONFIG.read_text())["offline_store"]  # no Spark, no Java
    assert "spark" in other.pop("offline_store")["type"]
    assert one == other


@pytest.mark.parametrize("name", ["state", "scratch"])
def test_the_state_of_an_older_release_is_refused_and_says_what_to_do(tmp_path: Path, name: str) -> None:
    state = tmp_path / name
    (state / "feast").mkdir(parents=True)
    (state / "feast" / "applied.json").write_text("{}", encoding="utf-8")
    resolved = state / "feast" / "feature_store.yaml"
    text = tiny.CONFIG.read_text(encoding="utf-8").replace("../state/feast/", f"{state}/feast/")
    resolved.write_text(text.replace("${HELIOGRAPH_PROJECT}", "heliograph"), encoding="utf-8")
    for open_it in (
        lambda: open_store(tiny.CONFIG, state, "tiny"),
        lambda: open_store(resolved),
        lambda: open_notes(resolved, None, "tiny"),
        lambda: products_in(state),
    ):
        with pytest.raises(NotAppliedError, match=r"one of release 0\.1 or 0\.2.* run the pipeline `training` again"):
            open_it()
    assert sorted(path.name for path in (state / "feast").iterdir()) == ["applied.json", "feature_store.yaml"]


def test_a_command_takes_the_only_product_or_asks_for_one(own_world: World, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--state", str(own_world.state)]
    assert project_for(tiny.CONFIG, own_world.state, None) == own_world.store.project
    other = tiny.tiny_spec(name="other")
    tiny.apply_tables(tiny.store_of(other, own_world.state), other, own_world.tables, own_world.state)
    assert main(["materialize", *where]) == 1
    assert capsys.readouterr().err == "error: --product: expected one of other, tiny; found none\n"
    assert main(["materialize", *where, "--product", "other"]) == 0
    assert last_seen(own_world.store) == 0
