"""Applied small stores: those that a test may change are made once, and put back before each test."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from feature_repo.store import open_store
from models.spec import Spec
from tests.feature_repo import tiny
from tests.feature_repo.kept import Kept, open_kept
from tests.feature_repo.restored import Restored


class World(NamedTuple):
    store: Any
    spec: Spec
    tables: Path
    state: Path


def open_world(folder: Path, **parts: Any) -> World:
    """The tiny product, its spec with these parts, applied to a state folder of its own."""
    spec = tiny.tiny_spec(**parts)
    tables, state = tiny.tables(spec, folder / "tables"), folder / "state"
    store = tiny.store_of(spec, state)
    tiny.apply_tables(store, spec, tables, state)
    return World(store, spec, tables, state)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world that the module's tests only read."""
    return open_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def made_world(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Restored]:
    """The same, for ``own_world``."""
    folder = tmp_path_factory.mktemp("own") / "world"
    return open_world(folder), Restored(folder)


@pytest.fixture
def own_world(made_world: tuple[World, Restored]) -> World:
    """A world that one test may change."""
    world, restored = made_world
    restored.restore()
    return world._replace(store=tiny.store_of(world.spec, world.state))


@pytest.fixture(scope="session")
def made_kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Kept, Restored]:
    """A small product, for ``own``."""
    folder = tmp_path_factory.mktemp("kept") / "product"
    return open_kept(folder), Restored(folder)


@pytest.fixture
def own(made_kept: tuple[Kept, Restored]) -> Kept:
    """A small product that one test may change."""
    kept, restored = made_kept
    restored.restore()
    return kept._replace(store=open_store(kept.state.parent / "feature_store.yaml", kept.state))
