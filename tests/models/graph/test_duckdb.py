"""DuckDB's settings: half of the memory there is, the usable CPUs, no downloads."""

from pathlib import Path

import pytest

from models.graph.engines import duckdb as module
from models.graph.engines.duckdb import DuckDB, available_memory

NAMES = ("memory_limit", "threads", "preserve_insertion_order", "autoinstall_known_extensions")


def settings(engine: DuckDB, scratch: Path) -> list[str]:
    columns = ", ".join(f"CAST(current_setting('{name}') AS VARCHAR) AS {name}" for name in NAMES)
    with engine.connect(scratch) as connection:
        (row,) = connection.fetch(f"SELECT {columns}").to_pylist()
    return [row[name] for name in NAMES]


def test_what_is_not_given_is_taken_from_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_memory", lambda: 2**31)
    monkeypatch.setattr(module, "usable_cpus", lambda: 3)
    assert settings(DuckDB(), tmp_path) == ["1.0 GiB", "3", "false", "false"]
    assert settings(DuckDB(memory_limit=2**29, threads=1), tmp_path) == ["512.0 MiB", "1", "false", "false"]


def test_a_control_group_limits_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / "memory.max"
    monkeypatch.setattr(module, "_CGROUPS", (tmp_path / "missing", group))
    whole = available_memory()
    for text, expected in (("max\n", whole), ("1000\n", 1000), (f"{2 * whole}\n", whole)):
        group.write_text(text)
        assert available_memory() == expected
