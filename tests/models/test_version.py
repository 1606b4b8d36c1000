"""One module names the version: everything that repeats it agrees with it."""

import re
from pathlib import Path

import pytest

from models.version import SERVE_IMAGE, VERSION

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "name", ["deploy/Dockerfile", *sorted(f"deploy/{one.name}" for one in ROOT.glob("deploy/*.yaml"))]
)
def test_the_image_is_named_alike(name: str) -> None:
    found = re.findall(r"heliograph-python:[\w.-]+", (ROOT / name).read_text(encoding="utf-8"))
    assert set(found) == {SERVE_IMAGE}


def test_the_changelog_begins_with_this_version() -> None:
    sections = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(name for name in sections if name != "Unreleased") == VERSION
