"""Layers of earlier builds are removed, with a podman that stands in and refuses what the real one refuses."""

import json
import os
import sys
from pathlib import Path

import pytest

from deploy.images import engine, layers

_PODMAN = """#!{python}
import json, pathlib, sys
file, given = pathlib.Path({file!r}), sys.argv[1:]
images = json.loads(file.read_text())
found = [one for one in images if one.startswith(given[-1])]
if not found:
    sys.exit("no such image")
if given[1] == "inspect":
    print(json.dumps(images[found[0]]["names"]))
if given[1] == "rm":
    if "--no-prune" not in given or any(one["parent"] == found[0] for one in images.values()):
        sys.exit("image has dependent child images")
    if images[found[0]].get("used"):
        sys.exit("image is in use by a container")
    del images[found[0]]
    file.write_text(json.dumps(images))
"""
A, B, C, D, E = (letter * 64 for letter in "abcde")


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    file, podman = tmp_path / "images.json", tmp_path / "bin" / "podman"
    podman.write_text(_PODMAN.format(python=sys.executable, file=str(file)), encoding="utf-8")
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    for module in (engine, layers):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(engine, "SETTINGS", tmp_path / "build" / "containers.conf")
    return file


def _image(parent: str = "", *names: str, used: bool = False) -> dict[str, object]:
    return {"parent": parent, "names": list(names), "used": used}


def _build(folder: Path, target: str, *ids: str) -> None:
    """A build whose log names these layers, the second from the cache."""
    log = folder / f"{target}.log"
    layers.before_build(target, log)
    lines = [f"--> Using cache {one}" if place == 1 else f"--> {one[:11]}" for place, one in enumerate(ids)]
    log.write_text("\n".join(["STEP 1/2: FROM x", *lines, f"COMMIT {target}", ids[-1]]), encoding="utf-8")
    layers.after_build(target, log)


def _left(images: Path) -> list[str]:
    return sorted(name[0] for name in json.loads(images.read_text(encoding="utf-8")))


def test_layers_of_earlier_builds_go(images: Path, tmp_path: Path) -> None:
    """A stays, needed by the last build; so does E, which no build here made. B goes after C, which is made of it."""
    images.write_text(
        json.dumps({A: _image(), B: _image(A), C: _image(B), D: _image(A, "serve"), E: _image()}), encoding="utf-8"
    )
    _build(tmp_path, "serve", A, B, C)
    assert layers.prune() == 0
    _build(tmp_path, "serve", A, D)
    assert layers.prune() == 2
    assert _left(images) == ["a", "d", "e"]
    assert layers.prune() == 0


def test_what_another_target_or_anything_else_needs_stays(images: Path, tmp_path: Path) -> None:
    """A: of another target; B: a container uses it, and goes later; C: it has a name."""
    images.write_text(
        json.dumps({A: _image(), B: _image(used=True), C: _image("", "mine"), D: _image()}), encoding="utf-8"
    )
    _build(tmp_path, "pipeline", A)
    _build(tmp_path, "serve", A, B, C)
    _build(tmp_path, "serve", D)
    assert layers.prune() == 0
    assert _left(images) == ["a", "b", "c", "d"]
    images.write_text(json.dumps(json.loads(images.read_text()) | {B: _image()}), encoding="utf-8")
    assert layers.prune() == 1
    assert _left(images) == ["a", "c", "d"]


def test_layers_of_a_build_that_failed_stay_until_one_ends_well(images: Path, tmp_path: Path) -> None:
    images.write_text(json.dumps({A: _image(), B: _image(A), C: _image(A)}), encoding="utf-8")
    (tmp_path / "serve.log").write_text(f"--> {A[:11]}\n--> {B[:11]}\nerror: no space", encoding="utf-8")
    (tmp_path / "build" / "images").mkdir(parents=True)
    (tmp_path / "build" / "images" / "layers.json").write_text("damaged", encoding="utf-8")
    assert layers.prune() == 0
    _build(tmp_path, "serve", A, C)
    assert layers.prune() == 1
    assert _left(images) == ["a", "c"]
