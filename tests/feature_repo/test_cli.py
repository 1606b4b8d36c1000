import os
import runpy
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from feature_repo.applied import add_product, pushed_folder, write_applied
from feature_repo.store import open_notes, open_store, project_of
from tests.factories import specs
from tests.feature_repo import tiny

FEATURES = tiny.CONFIG.parent / "features.py"
ROOT = tiny.CONFIG.parents[1]


# Feast's command takes five seconds to start: one process, which begins as the console script does, takes several of
# them, each given as one argument.
SEVERAL = (
    "import sys; from feast.cli.cli import cli; [cli(line.split(), standalone_mode=False) for line in sys.argv[1:]]"
)


def _run(folder: Path, *command: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{folder.parent}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    for name in ("HELIOGRAPH_STATE", "HELIOGRAPH_SPEC", "HELIOGRAPH_TABLES"):
        environment.pop(name, None)
    environment["HELIOGRAPH_PROJECT"] = "tiny"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_stock_commands_work_inside_the_folder(tmp_path: Path) -> None:
    # A copy, so that `../state` is a folder of the test's own.
    folder = tmp_path / "feature_repo"
    shutil.copytree(tiny.CONFIG.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    spec = tiny.tiny_spec()
    tables, project = tiny.tables(spec, tmp_path / "tables"), project_of(spec.name)
    notes = open_notes(tiny.CONFIG, tmp_path / "state", project)
    write_applied(notes, spec, str(tables), pushed_folder(str(tmp_path / "state"), project))
    add_product(notes, spec.name)

    (command,) = entry_points(group="console_scripts", name="feast")
    assert command.value == "feast.cli.cli:cli"
    commands = ["apply", "materialize 2026-01-01T00:00:00 2026-01-11T00:00:00", "feature-views list"]
    listed = _run(folder, sys.executable, "-c", SEVERAL, *commands)
    for view in ("member_profile", "company_profile", "member_surface_counts", "member_vectors_blue"):
        assert view in listed

    store = open_store(folder / "feature_store.yaml", None, project)
    rows = [{"member_id": 3, "surface": "email"}, {"member_id": 99, "surface": "email"}]
    found = store.get_online_features(
        features=["member_profile:seniority", "member_surface_counts:member_surface_counts_shown"], entity_rows=rows
    ).to_dict()
    assert found["seniority"] == [pytest.approx(3.4), None]
    assert found["member_surface_counts_shown"][0] >= 0


def test_without_anything_ingested_there_is_one_line_with_the_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELIOGRAPH_STATE", str(tmp_path))
    with pytest.raises(SystemExit, match="Run `make demo` first"):
        runpy.run_path(str(FEATURES))
    assert list(tmp_path.iterdir()) == []


def test_spec_and_tables_are_named_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELIOGRAPH_SPEC", str(tmp_path / "tiny.yaml"))
    with pytest.raises(SystemExit, match="Set HELIOGRAPH_TABLES too"):
        runpy.run_path(str(FEATURES))


def test_the_environment_names_another_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny.yaml").write_text(specs.text_of({**tiny.DOCUMENT, "by_data": {}}))
    monkeypatch.setenv("HELIOGRAPH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("HELIOGRAPH_SPEC", str(tmp_path / "tiny.yaml"))
    monkeypatch.setenv("HELIOGRAPH_TABLES", str(tiny.tables(tiny.tiny_spec(), tmp_path / "tables")))
    module = runpy.run_path(str(FEATURES))
    assert module["FeatureView_member_profile"].batch_source.path == str(
        tmp_path / "tables" / "member_profiles.parquet"
    )
    assert module["Entity_surface"].join_key == "surface"
