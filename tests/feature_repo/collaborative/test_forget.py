"""A forgotten member's collaborative row leaves the online store, and no later run brings it back."""

from pathlib import Path

from feature_repo.forget import forget
from feature_repo.materialise import materialize
from models.time_units import DAY, microseconds
from tests.feature_repo import tiny
from tests.feature_repo.collaborative.world import open_world, spec_of


def test_a_forgotten_members_row_goes(tmp_path: Path) -> None:
    world = open_world(tmp_path, spec_of())
    until = microseconds(tiny.START) + 30 * DAY
    before = materialize(world.store, world.spec, until)
    erased = forget(world.store, "3", lambda name: None, tmp_path / "served")
    assert erased.rows[f"online store, {world.store.project}", "watched_member"] == 1
    after = materialize(world.store, world.spec, until)
    assert after["watched_member"] == before["watched_member"] - 1
    assert after["watched_item"] == before["watched_item"]
