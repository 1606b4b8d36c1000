"""Notes in SQLite and in Redis: one document per project and name, changed by one writer at a time."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from feature_repo.notes import Notes, NotesError, notes_of
from feature_repo.packed.keys import row_key, view_prefix
from feature_repo.packed.rows import RowStore
from feature_repo.store import open_notes, project_of
from feature_repo.stores.online.bulk import rows_of
from tests.feature_repo import tiny
from tests.feature_repo.conftest import World
from tests.feature_repo.row_stores import notes, redis_address, redis_server, rows

__all__ = ["notes", "redis_address", "redis_server", "rows"]


def test_a_document_is_read_as_it_was_written(notes: Notes, rows: RowStore) -> None:
    assert notes.read("slots") is None
    document = {"a": [1, None, "ä"], "b": {}}
    notes.write("slots", document)
    notes.write("lease", {})
    assert notes.read("slots") == document
    assert Notes(rows, "other").read("slots") is None
    notes.change("slots", lambda found: None)
    assert notes.read("slots") == document


def test_changes_of_many_writers_are_all_kept(notes: Notes) -> None:
    def count(found: dict[str, Any] | None) -> dict[str, Any]:
        return {"n": (found or {"n": 0})["n"] + 1}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: notes.change("count", count), range(40)))
    assert notes.read("count") == {"n": 40}


def test_a_change_that_raises_writes_neither_document_nor_row(notes: Notes, rows: RowStore) -> None:
    key = row_key("news", "view", ["a"])

    def change(documents: list[Any], stored: list[Any]) -> Any:
        assert (documents, stored) == ([None, None], [None])
        raise KeyError("no")

    with pytest.raises(KeyError):
        notes.change_all(["slots", "lease"], change, [key])
    notes.change_all(["slots", "lease"], lambda *_: ([{"a": 1}, None], [b"row"]), [key])
    assert (notes.read("slots"), notes.read("lease"), rows.read([key])) == ({"a": 1}, None, [b"row"])


def test_no_view_of_a_spec_sees_a_note(own_world: World) -> None:
    found = notes_of(own_world.store)
    found.write("slots", {"a": 1})
    dumped = rows_of(own_world.store)
    for view in own_world.store.list_feature_views():
        assert list(dumped.dump(view_prefix(own_world.store.project, view.name))) == []
    own_world.store.teardown()
    assert found.read("slots") == {"a": 1}


def test_what_is_not_ours_is_an_error(notes: Notes, rows: RowStore) -> None:
    for content in (b"no", b"[]"):
        rows.change([row_key("news", ".notes", ["lease"])], lambda _, content=content: [content])
        with pytest.raises(NotesError, match="project news, note lease: expected"):
            notes.read("lease")


def test_a_store_that_is_silent_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("FEAST_REGISTRY", f"sqlite:///{tmp_path}/registry.db")
    monkeypatch.setenv("FEAST_REDIS", address)
    monkeypatch.setattr("redis.backoff.ExponentialWithJitterBackoff.compute", lambda backoff, failures: 0)
    found = open_notes(tiny.CONFIG.with_name("feature_store.cluster.yaml"), None, "news")
    with pytest.raises(NotesError, match="the online store: expected a response; found ConnectionError"):
        found.read("lease")


def test_notes_open_without_feast_are_those_of_the_store(own_world: World, tmp_path: Path) -> None:
    opened = open_notes(tiny.CONFIG, own_world.state, own_world.store.project)
    opened.write("lease", {"a": 1})
    assert notes_of(own_world.store).read("lease") == {"a": 1}
    assert notes_of(opened) is opened


def test_no_two_products_share_a_project() -> None:
    names = ["news", "news_", "scratch", "_scratch", "news_scratch", "news_scratch_"]
    names += [f"{name}_scratch_{after}" for name in names for after in ("a", "monitoring", "monitoring_", "a_b", "_")]
    projects = [
        project_of(name, pipeline) for name in names for pipeline in (None, "monitoring", "comparison", "a", "")
    ]
    assert len(set(projects)) == len(projects)
    assert project_of("news") == "news"
    assert project_of("news", "monitoring") == "news_scratch_monitoring"
    assert all(project.replace("_", "").isalnum() for project in projects)


def test_the_configuration_names_a_project_only_if_it_is_told(tmp_path: Path) -> None:
    document = yaml.safe_load(tiny.CONFIG.read_text(encoding="utf-8"))
    assert document["project"] == "${HELIOGRAPH_PROJECT}"
