"""Age of a served version's vectors, as ``python -m serving status`` prints it: the world's vectors, other clocks."""

from pathlib import Path

import pytest

from models.clock import readable
from models.time_units import DAY, SECOND
from serving.deployment.record import Worker
from serving.deployment.vector_age import vector_age
from serving.settings.settings import Settings
from serving.versions.bundle import SPEC
from tests.serving.world import World, world_spec


def serving(world: World, folder: Path, version: str = "1", **max_age: str) -> Worker:
    """A worker whose bundle has these limits; without any, it has no files."""
    bundle, settings = folder / "bundle", folder / "settings.json"
    if max_age:
        bundle.mkdir()
        spec = world_spec(serving={"max_age": max_age})
        (bundle / SPEC).write_text(spec.model_dump_json(by_alias=True), encoding="utf-8")
    Settings(world.name, version, str(bundle), str(world.store_config), str(folder), 1, 2).write(settings)
    return Worker(version, str(settings), 1, 2, 100)


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (2 * DAY, ", 2 days, 0:00:00 ago (limit: 48h)"),
        (2 * DAY + 1, ", 2 days, 0:00:00 ago: older than the limit of 48h, flagged stale. Run the pipeline refresh"),
        (-SECOND, ", 0:00:00 ago (limit: 48h)"),
    ],
)
def test_the_age_is_compared_with_the_versions_own_limit(world: World, tmp_path: Path, age: int, words: str) -> None:
    worker = serving(world, tmp_path, vectors="48h")
    line = vector_age(worker, world.as_of + age)
    assert line == f"version 1: vectors know events until {readable(world.as_of)}{words}"


def test_without_a_limit_or_a_spec_the_age_is_all_there_is(world: World, tmp_path: Path) -> None:
    worker = serving(world, tmp_path, counters="1s")
    assert vector_age(worker).endswith(" ago (no limit)")
    (tmp_path / "bundle" / SPEC).unlink()
    assert vector_age(worker).endswith(" ago (no limit)")


def test_a_version_without_vectors(world: World, tmp_path: Path) -> None:
    worker = serving(world, tmp_path, version="7", vectors="48h")
    assert vector_age(worker) == "version 7: no vectors in the store, so it could not be started again"
