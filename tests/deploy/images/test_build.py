"""Images are built once per digest of their inputs, by commands that stand in for podman and buildah."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.images import base, build, engine, layers
from deploy.images.__main__ import main
from deploy.images.check import BOUNDS, GB, Bounds, check
from deploy.images.errors import ImageError

_ENGINE = """#!{python}
import json, os, pathlib, sys
folder, given = pathlib.Path({folder!r}), sys.argv[1:]
with (folder / "calls").open("a") as calls:
    print(pathlib.Path(sys.argv[0]).name, *given, file=calls)
images = folder / "images"
found = json.loads(images.read_text()) if images.exists() else {{}}
if given[:2] == ["image", "exists"]:
    sys.exit(given[2] not in found)
if given[0] == "pull" or "--break" in given:
    sys.exit("no such registry")
if given[:2] == ["image", "inspect"]:
    labels = found[given[-1]]
    print({{"{{{{.Id}}}}": "id-" + given[-1], "{{{{.Id}}}} {{{{.Size}}}}": "id 5"}}.get(given[3], json.dumps(labels)))
if given[0] == "bud":
    labels = [given[i + 1].split("=", 1) for i, word in enumerate(given) if word == "--label"]
    images.write_text(json.dumps(found | {{given[given.index("--tag") + 1]: dict(labels)}}))
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of a few files, with the engine's stand-ins first on the path."""
    (tmp_path / "bin").mkdir()
    for name in ("podman", "buildah"):
        path = tmp_path / "bin" / name
        path.write_text(_ENGINE.format(python=sys.executable, folder=str(tmp_path)), encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.delenv("CONTAINERS_CONF", raising=False)
    for module in (engine, build, base, layers):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(engine, "SETTINGS", tmp_path / "build" / "containers.conf")
    (tmp_path / "deploy").mkdir()
    text = "FROM ${BASE_IMAGE} AS packages\nCOPY constraints.txt ./\nFROM packages AS serve\nCOPY serving serving\n"
    (tmp_path / "deploy" / "Dockerfile").write_text(text, encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("torch==2\n", encoding="utf-8")
    (tmp_path / "serving").mkdir()
    (tmp_path / "serving" / "a.py").write_text("A = 1\n", encoding="utf-8")
    subprocess.run(["buildah", "bud", "--tag", "base"], check=True)
    return tmp_path


def built(root: Path) -> list[str]:
    calls = (root / "calls").read_text(encoding="utf-8").splitlines()
    return [call for call in calls if call.startswith("buildah bud") and "--target" in call]


def test_an_image_is_built_once(root: Path) -> None:
    (first,) = build.build(["serve"], "base", ["--volume", "/a:/a:ro"])
    (again,) = build.build(["serve"], "base")
    assert (first.identity, first.size, again.seconds) == ("id", 5, 0.0)
    assert first.seconds > 0
    (call,) = built(root)
    for words in ("--target serve", "BASE_IMAGE=base", "--volume /a:/a:ro", f"--tag {build.name_of('serve')} ."):
        assert words in call
    assert build.build([], "base") == []


@pytest.mark.parametrize("name", ["constraints.txt", "serving/a.py", "serving/new.py", "deploy/Dockerfile"])
def test_a_changed_input_builds_it_again(name: str, root: Path) -> None:
    build.build(["serve"], "base")
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("# more\n")
    build.build(["serve"], "base")
    assert len(built(root)) == 2


def test_what_is_not_copied_and_compiled_code_change_nothing(root: Path) -> None:
    build.build(["serve"], "base")
    (root / "README.md").touch()
    (root / "serving" / "__pycache__").mkdir()
    (root / "serving" / "__pycache__" / "a.pyc").touch()
    build.build(["serve"], "base")
    assert len(built(root)) == 1


def test_another_base_builds_it_again(root: Path) -> None:
    assert build.inputs("serve", "id-a", root) != build.inputs("serve", "id-b", root)


def test_a_build_that_fails_names_its_log_and_hides_its_options(root: Path) -> None:
    with pytest.raises(ImageError, match=r"buildah bud: exit status 1; all of .*serve.log:\nno such registry") as error:
        build.build(["serve"], "base", ["--build-arg", "PIP_INDEX_URL=https://user:secret@mirror", "--break"])
    assert "secret" not in str(error.value)


def test_the_engine_has_settings_of_its_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = engine.environment()["CONTAINERS_CONF"]
    assert 'runtime = "runc"' in Path(name).read_text(encoding="utf-8")
    monkeypatch.setenv("CONTAINERS_CONF", "/mine")
    assert engine.environment()["CONTAINERS_CONF"] == "/mine"


def test_an_image_that_is_too_large_is_refused(root: Path) -> None:
    image = build.Image("serve", "name", "id", 2 * GB + 10**7, 1.0)
    with pytest.raises(ImageError, match=r"name: expected 2.0 GB at most; found 2.01 GB"):
        check(image)


def test_a_checked_image_is_started_with_few_rights(root: Path) -> None:
    check(build.Image("serve", "name", "id", GB, 1.0))
    call = next(
        call for call in (root / "calls").read_text(encoding="utf-8").splitlines() if call.startswith("podman run")
    )
    for option in ("--read-only", "--user 1000:1000", "--memory 2g", "--cap-drop all", " id python -c "):
        assert option in call


def test_the_command_refuses_what_it_built_where_a_check_fails(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["deploy.images", "serve", "--base", "base"])
    assert main() == 0
    monkeypatch.setitem(BOUNDS, "serve", Bounds(4, ()))  # bytes
    assert main() == 1
    assert f"error: {build.name_of('serve')}: expected 0.0 GB at most" in capsys.readouterr().err


GOOD: dict[str, Any] = {
    "user": 1000,
    "compiler": None,
    "module": "json",
    "absent": "no_such_package",
    "writable": False,
}


@pytest.mark.parametrize(
    ("differs", "found"),
    [
        ({}, None),
        ({"user": 0}, "user: expected 1000; found 0"),
        ({"compiler": "/usr/bin/gcc"}, "expected no compiler"),
        ({"module": "no_such_module"}, "No module named 'no_such_module'"),
        ({"absent": "json"}, "json: expected no such package in this image"),
        ({"writable": True}, "/heliograph: expected a file system that cannot be written"),
    ],
)
def test_a_container_looks_at_its_own_image(
    differs: dict[str, Any], found: str | None, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script that the checked image runs, in a process where its surroundings are pretended."""
    image = {**GOOD, **differs}
    surroundings = f"""
import io, os, shutil, tempfile
os.getuid = lambda: {image["user"]}
shutil.which = lambda _: {image["compiler"]!r}
tempfile.TemporaryFile = lambda dir: io.BytesIO()
def open(*_):
    if not {image["writable"]}:
        raise OSError
"""
    monkeypatch.setitem(BOUNDS, "serve", Bounds(GB, (image["module"],), (image["absent"],)))
    check(build.Image("serve", "name", "id", GB, 1.0))
    _, _, script = (root / "calls").read_text(encoding="utf-8").rpartition(" id python -c ")
    done = subprocess.run([sys.executable, "-c", surroundings + script], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (found is None)
    assert (found or "") in done.stderr


def test_a_wanted_base_that_is_not_there_is_refused(root: Path) -> None:
    assert base.base_image("base") == "base"
    with pytest.raises(ImageError, match=r"other: expected an image here or in a registry; found none"):
        base.base_image("other")


def test_without_a_registry_the_base_is_made_of_debian_packages_once(root: Path) -> None:
    for name, line in {
        "mmdebstrap": f'echo "$@" > {root / "made"}',
        "apt-get": "echo http://host/security bookworm-security; echo http://host/debian/ bookworm",
    }.items():
        (root / "bin" / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        (root / "bin" / name).chmod(0o755)
    assert base.base_image() == base.STAND_IN
    made = (root / "made").read_text(encoding="utf-8")
    assert made.endswith("bookworm " + str(root / "build" / "base-image" / "base.tar") + " http://host/debian/\n")
    (root / "made").unlink()
    assert base.base_image() == base.STAND_IN
    assert not (root / "made").exists()


def test_an_engine_that_is_not_installed_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(root / "bin")
    monkeypatch.setenv("PATH", str(root))
    with pytest.raises(ImageError, match=r"podman: expected this command; found none. Run: .ci/packages containers"):
        build.build(["serve"], "base")


def labels(root: Path) -> dict[str, str]:
    """The labels of the predictor's image, with its layers there or not."""
    return json.loads((root / "images").read_text(encoding="utf-8"))[build.name_of("serve")]


def git(root: Path, *given: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    env = os.environ | {"GIT_COMMITTER_DATE": "2026-01-02T03:04:05+00:00", "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(["git", *who, *given], cwd=root, env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def commit(root: Path) -> str:
    """The commit that holds what the image is made of."""
    git(root, "init", "--quiet")
    git(root, "add", "deploy", "constraints.txt", "serving")
    git(root, "commit", "--quiet", "--message", "first")
    return git(root, "rev-parse", "HEAD")[:12]


def test_an_image_says_its_commit(root: Path, commit: str) -> None:
    (root / "README.md").touch()
    build.build(["serve"], "base")
    assert labels(root) == {
        "heliograph.inputs": build.inputs("serve", "id-base", root),
        "org.opencontainers.image.revision": commit,
        "org.opencontainers.image.created": "2026-01-02T03:04:05+00:00",
    }


@pytest.mark.parametrize("name", ["serving/a.py", "serving/new.py", "deploy/Dockerfile"])
def test_an_image_of_uncommitted_files_says_so_until_they_are_committed(name: str, root: Path, commit: str) -> None:
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("# more\n")
    build.build(["serve"], "base")
    assert labels(root)["org.opencontainers.image.revision"] == f"{commit}-dirty"
    git(root, "add", "deploy", "serving")
    git(root, "commit", "--quiet", "--message", "second")
    build.build(["serve"], "base")
    assert labels(root)["org.opencontainers.image.revision"] == git(root, "rev-parse", "HEAD")[:12]
    build.build(["serve"], "base")
    assert len(built(root)) == 2


def test_without_a_repository_the_commit_is_unknown(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(root.parent))
    build.build(["serve"], "base")
    assert labels(root)["org.opencontainers.image.revision"] == "unknown"
