"""One applied tiny store a test module."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from models.spec import Spec
from tests.feature_repo import tiny
from tests.feature_repo.kept import Kept, open_kept


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


@pytest.fixture
def own_world(tmp_path: Path) -> World:
    """A world that one test may change."""
    return open_world(tmp_path)


@pytest.fixture
def own(tmp_path: Path) -> Kept:
    """A small product that one test may change."""
    return open_kept(tmp_path)
