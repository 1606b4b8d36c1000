"""What a server needs of the online store before it starts: its version's vectors, or one sentence and no server."""

from dataclasses import replace
from pathlib import Path

import pytest

from feature_repo.applied import products
from feature_repo.notes import Notes
from feature_repo.slots import NOTE, read_slots
from feature_repo.store import open_notes, project_of
from serving.errors import EndpointError, RegistryError
from serving.server.loading import load, slot_with_vectors, verified
from serving.settings.settings import Settings
from tests.serving.world import World, copy_store


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Settings:
    """Settings over a copy of the world's feature store."""
    config = copy_store(world, tmp_path)
    bundle = str(world.state.parent / "bundle")
    return Settings(world.name, world.version, bundle, str(config), str(tmp_path / "served"), 0, 0)


def notes_of(settings: Settings) -> Notes:
    return open_notes(Path(settings.store_config))


def test_the_slot_is_the_one_that_the_store_says(settings: Settings) -> None:
    notes, bundle = notes_of(settings), verified(settings)
    assert slot_with_vectors(settings, bundle) == "blue"
    table = notes.read(NOTE) or {}
    notes.write(NOTE, {**table, "amber": table["blue"], "blue": table["amber"]})
    assert slot_with_vectors(settings, bundle) == "amber"


def test_a_version_without_vectors_is_refused_and_never_cold(settings: Settings) -> None:
    with pytest.raises(EndpointError, match=r"version 7: vectors: expected those of version 7; found 1 \(blue\), none"):
        load(replace(settings, version="7"))


def test_another_bundle_than_the_deployed_one_is_refused(settings: Settings) -> None:
    with pytest.raises(RegistryError, match=r"expected digest 0{12}\.\.\., as it was registered; found"):
        load(replace(settings, digest="0" * 64))


def test_vectors_of_another_encoder_are_refused(settings: Settings) -> None:
    notes = notes_of(settings)
    table = notes.read(NOTE) or {}
    notes.write(NOTE, {**table, "blue": {**table["blue"], "encoder": "other" * 9}})
    with pytest.raises(EndpointError, match=r"expected vectors of its own encoder, .*; found those of otherotherot"):
        load(settings)


def test_renaming_the_project_never_serves_cold(settings: Settings, world: World, tmp_path: Path) -> None:
    """The store of a release that had one project for all products, or another's."""
    notes = notes_of(settings)
    Notes(notes.rows, "heliograph").write(NOTE, notes.read(NOTE) or {})
    notes.write(NOTE, {})
    with pytest.raises(EndpointError, match="expected those of version 1; found none"):
        load(settings)
    assert products(notes) == {world.spec.name: project_of(world.spec.name)}
    assert not any(slot.versions for slot in read_slots(notes).values())
    (tmp_path / "feast" / "applied.json").write_text("{}", encoding="utf-8")
    with pytest.raises(EndpointError, match=r"found one of release 0\.1 or 0\.2"):
        load(settings)


def test_settings_of_an_older_release_are_refused(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    settings.write(file)
    assert Settings.read(file) == settings
    file.write_text(file.read_text(encoding="utf-8").replace('"port"', '"slot": "blue", "port"'), encoding="utf-8")
    with pytest.raises(EndpointError, match=r"found slot of an older one\. Start the endpoint anew"):
        Settings.read(file)
