"""One module names the version: everything that repeats it agrees with it."""

import re
from pathlib import Path

import pytest

from models.version import IMAGE, SERVE_IMAGE, VERSION

ROOT = Path(__file__).resolve().parents[2]


IMAGES = {
    "deploy/Dockerfile": SERVE_IMAGE,
    **{one.relative_to(ROOT).as_posix(): SERVE_IMAGE for one in (ROOT / "deploy/kustomize/templates").glob("*.yaml")},
    **{
        f"deploy/kustomize/{name}.yaml": IMAGE
        for name in ("base/features", "base/materialize", "components/services/mlflow")
    },
}


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_the_image_is_named_alike(name: str) -> None:
    found = re.findall(r"heliograph-python:[\w.-]+", (ROOT / name).read_text(encoding="utf-8"))
    assert set(found) == {IMAGES[name]}


def test_the_example_names_the_same_tag() -> None:
    text = (ROOT / "deploy/kustomize/overlays/example/kustomization.yaml").read_text(encoding="utf-8")
    assert re.findall(r"newTag: (\S+)", text) == [IMAGE.partition(":")[2]]


def test_the_changelog_begins_with_this_version() -> None:
    sections = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(name for name in sections if name != "Unreleased") == VERSION
