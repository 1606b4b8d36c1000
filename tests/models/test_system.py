"""Errors of the system in one line, and file addresses that keep every letter of a path."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.addresses import sqlite_address, sqlite_file
from models.system import system_error

ODD = ("a%20b", "a b", "a#b", "a?b", "100%", "a%2Fb", "a+b;c&d", "a'b", "{x}", "a:b", "ünïcödé")
LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("name", ODD)
def test_an_address_leads_back_to_its_file(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "mlflow.db"
    assert sqlite_file(sqlite_address(file)) == file
    assert "%20b" not in name or "%2520b" in sqlite_address(file)


def test_other_addresses_are_no_files(tmp_path: Path) -> None:
    assert sqlite_file("http://here:5000") is None
    assert sqlite_file("sqlite:///below/x.db", tmp_path) == tmp_path / "below" / "x.db"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/d/x"), "/d/x: expected room to write; found: No space"),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), "the disk: expected room to write; found: File too large"),
        (ModuleNotFoundError("No", name="duckdb.x"), "package duckdb: expected it to be installed; found none"),
        (OSError(errno.EROFS, "Read-only file system", "/d"), "/d: expected a place that may be read and written"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), "Choose a shorter one"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/d"), "/d: expected a file or folder that can be used"),
        (ConnectionRefusedError("refused"), "a service: expected a response; found: refused"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), "the disk: expected room to write"),
        (RuntimeError("unable to open database file"), "a database: expected a file that can be written"),
    ],
)
def test_the_system_is_reported_in_one_line(error: Exception, message: str) -> None:
    wrapped = RuntimeError("outer")
    wrapped.__cause__ = error
    for one in (error, wrapped):
        found = system_error(one)
        assert found is not None
        assert message in found
        assert "\n" not in found


def test_other_errors_are_not_the_systems() -> None:
    assert system_error(ValueError("no")) is None


@pytest.mark.parametrize("state", ["state", "x" * 300, "file/below"])
def test_a_run_that_cannot_write_ends_in_one_line(tmp_path: Path, state: str) -> None:
    (tmp_path / "file").touch()
    command = [sys.executable, "-c", LIMITED, "pipelines", "local", "--state", str(tmp_path / state)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("error: ")
