"""docs/tutorial.md in one fresh folder: its blocks in their order, and what the page says that they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.examples import Example, examples
from benchmarks.served_world import ROOT

pytestmark = pytest.mark.long(120)

PAGE = ROOT / "docs" / "tutorial.md"
STABLE = ("benchmarks.shop", "feature_repo init", "pipelines check")
"""Commands that print the same figures on every machine; of others, words are compared."""
SLATE = re.compile(r"^(p\d+) clicked ([\d.]+)", re.MULTILINE)
SECONDS = re.compile(r"in [\d.]+ s\b")
ELSEWHERE = re.compile(r"(Level with|Better than|Worse than|Serve the trees) .*|--state [^\s,]+|[+-]?[\d.,]*\d")
"""What follows from figures, folders, and figures: they may differ on another machine."""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder like a checkout, whose endpoint is stopped at the end."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    yield tmp_path
    run("python -m serving down --state state/shop", tmp_path)


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a reader would; the environment's proxy is not used."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "no_proxy": "127.0.0.1"}
    command = ["bash", "-euo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)


def test_a_reader_gets_from_files_to_a_canary(folder: Path) -> None:
    blocks = examples(PAGE)
    assert {block.language for block in blocks} == {"sh", "text"}
    said, slates = "", []
    for block in blocks:
        if block.language == "sh":
            assert block.reason == ""
            done = run(block.text, folder)
            assert done.returncode == 0, f"{block}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
            assert "Traceback" not in done.stdout + done.stderr, block
            said, command = done.stdout, block.text
            slates += [dict(SLATE.findall(said))] if "slate.py" in command else []
        else:
            exact = any(one in command for one in STABLE) and "pipelines local" not in command
            assert missing(block, said, exact) == []
    before, after = slates
    assert all(float(after[item]) > float(before[item]) for item in ("p0052", "p0172"))


def missing(shown: Example, said: str, exact: bool) -> list[str]:
    """The lines of a page's output that a command did not print."""

    def plain(line: str) -> str:
        line = SECONDS.sub("in # s", line)
        return " ".join((line if exact else ELSEWHERE.sub("#", line)).split())

    lines = {plain(line) for line in said.splitlines()}
    return [line for line in shown.text.splitlines() if line != "..." and plain(line) not in lines]


def test_a_line_that_is_not_printed_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```text\nrows: 12, in 0.3 s\n...\nAUC 0.5\n```\n", encoding="utf-8")
    (shown,) = examples(page)
    assert missing(shown, "rows: 12, in 7.1 s\nAUC 0.5\n", exact=True) == []
    assert missing(shown, "rows: 13, in 7.1 s\nAUC 0.6\n", exact=True) == ["rows: 12, in 0.3 s", "AUC 0.5"]
    assert missing(shown, "rows: 13, in 7.1 s\nAUC 0.6\n", exact=False) == []
    assert missing(shown, "", exact=False) == ["rows: 12, in 0.3 s", "AUC 0.5"]
