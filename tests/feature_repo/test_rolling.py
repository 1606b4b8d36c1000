"""Windows that roll over a folder that grows: as fixed dates, and read once as read anew."""

import json
import logging
from datetime import date, timedelta
from pathlib import Path

import pytest

from feature_repo.retrieve import retrieve
from feature_repo.sources.ingest import ingest
from feature_repo.sources.professional import simulated
from feature_repo.sources.windows import spec_of
from feature_repo.sources.world_parts import write_parts
from models.spec import Spec, parse_spec
from tests.feature_repo.tiny import apply_tables, store_of

FIRST, CUT = date(2026, 3, 2), date(2026, 4, 10)
LENGTHS = {"graph": 20, "train": 7, "validate": 2, "gate": 2, "test": 2}


def with_windows(spec: Spec, attribution: str | None = None, **dates: object) -> Spec:
    document = spec.model_dump(mode="json", by_alias=True)
    document["windows"] = {**dates, **{name: {"days": days} for name, days in LENGTHS.items()}}
    for task in document["tasks"].values():
        task["attribution"] = attribution
    document["source"]["options"] |= {"start": str(FIRST), "days": 60}
    return parse_spec(json.dumps(document), "rolling")


@pytest.fixture(scope="module")
def rolling(tiny_spec: Spec) -> Spec:
    return with_windows(tiny_spec, end="latest")


@pytest.fixture(scope="module")
def world(rolling: Spec) -> dict:
    return simulated(rolling)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def training_set(spec: Spec, tables: Path, folder: Path) -> dict[str, bytes]:
    store = store_of(spec, folder / "state")
    apply_tables(store, spec, tables, folder / "state")
    retrieve(store, spec, tables, folder / "training_set")
    return contents(folder / "training_set")


def test_rolling_windows_give_the_training_set_of_fixed_dates(
    tiny_spec: Spec, rolling: Spec, world: dict, tmp_path: Path
) -> None:
    """Byte for byte, whether the dates are given by their start or their end; later data changes no seed's row."""
    write_parts(rolling, world, tmp_path / "raw", FIRST, CUT)
    found = {}
    for name, spec in {
        "latest": rolling,
        "end": with_windows(tiny_spec, end=str(CUT)),
        "start": with_windows(tiny_spec, start="2026-03-09"),
    }.items():
        tables = tmp_path / name / "tables"
        dated = spec_of(spec, ingest(spec, str(tmp_path / "raw"), tables))
        found[name] = training_set(dated, tables, tmp_path / name)
    assert len(found["latest"]) > 5
    assert found["latest"] == found["end"] == found["start"]


def test_incremental_ingest_equals_a_full_one_day_after_day(
    rolling: Spec, world: dict, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "feature_repo.sources.files")
    ends, before = [], 0
    for number in range(3):
        day = CUT + timedelta(days=number)
        new = len(write_parts(rolling, world, tmp_path / "raw", FIRST, day))
        ingest(rolling, str(tmp_path / "raw"), tmp_path / "full")
        caplog.clear()
        manifest = ingest(rolling, str(tmp_path / "raw"), tmp_path / "step", str(tmp_path / "kept"))
        assert f"raw files: {new} read, {before} unchanged" in caplog.text
        assert contents(tmp_path / "step") == contents(tmp_path / "full")
        ends.append(manifest["windows"]["end"])
        before += new
    assert ends == [str(CUT + timedelta(days=number)) for number in range(3)]


def test_the_windows_wait_for_outcomes_of_the_last_evening(tiny_spec: Spec, world: dict, tmp_path: Path) -> None:
    """Outcomes take up to two hours, so that those of the last evening are in the next day's data."""
    rolling = with_windows(tiny_spec, attribution="2h", end="latest")
    write_parts(rolling, world, tmp_path / "raw", FIRST, CUT)
    assert ingest(rolling, str(tmp_path / "raw"), tmp_path / "tables")["windows"]["end"] == str(CUT - timedelta(days=1))
