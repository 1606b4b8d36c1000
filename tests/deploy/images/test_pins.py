"""The check at the end of an image's packages: what no constraint names fails the build."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.images import pins as module
from deploy.images.pins import pins, unpinned


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_names_are_compared_as_indexes_do(tmp_path: Path) -> None:
    file = write(tmp_path / "c.txt", "# why\n\nPy_YAML==6.0\nzope.x==1  # why\nold==2; python_version < '3'\n")
    assert pins([file]) == {"py-yaml": "6.0", "zope-x": "1", "old": "2"}
    assert pins([]) == {}


@pytest.mark.parametrize("line", ["torch>=2", "torch", "torch=="])
def test_a_line_that_pins_nothing_is_refused(line: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"c.txt:1: expected name==version; found '"):
        pins([write(tmp_path / "c.txt", line)])


def test_a_later_file_is_stricter(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.txt", "torch==2.13.0"), write(tmp_path / "b.txt", "torch==2.13.0+cpu")]
    assert unpinned({"torch": "2.13.0+cpu"}, pins(files[:1])) == []
    assert unpinned({"torch": "2.13.0"}, pins(files)) == ["torch 2.13.0: expected 2.13.0+cpu"]


def test_what_is_not_pinned_is_named() -> None:
    assert unpinned({}, {"a": "1"}) == []
    assert unpinned({"a": "1", "b": "2", "c": "3"}, {"a": "1", "c": "4"}) == [
        "b 2: expected a constraint; found none",
        "c 3: expected 4",
    ]


def test_the_script_needs_nothing_but_python(tmp_path: Path) -> None:
    """It runs in an image, beside none of our modules."""
    file = write(tmp_path / "c.txt", "pip==0")
    command = [sys.executable, "-I", str(module.__file__), str(file)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "torch" in done.stderr
    assert "expected a constraint; found none" in done.stderr
    assert "heliograph " not in done.stderr
