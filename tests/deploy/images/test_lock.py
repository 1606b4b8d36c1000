"""The images' locks: they hold what the extras need, for Linux, and a file with another hash is not installed."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.images import lock as module
from deploy.images.build import DOCKERFILE
from deploy.images.dockerfile import stages
from deploy.images.engine import ROOT
from deploy.images.errors import ImageError
from deploy.images.lock import LOCKS, SOURCES, lines, locked, write
from deploy.images.pins import pins
from tests.deploy.images.requirements import closure
from tests.deploy.images.wheels import wheel

OLDER_PYTHON = {"async-timeout"}
"""Needed by Python before 3.11.3 only."""


def read(name: str) -> dict[str, str]:
    return locked((ROOT / LOCKS / f"{name}.txt").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", SOURCES)
def test_locks_say_what_constraints_say(name: str) -> None:
    """Otherwise: make locks."""
    constraints = pins([ROOT / file for file in SOURCES[name].constraints])
    found = read(name)
    assert found
    assert found == {package: constraints[package] for package in found}


@pytest.mark.parametrize("name", ["serve", "pipeline", "spark", "train"])
def test_locks_hold_all_that_the_extras_need(name: str) -> None:
    cuda = set(pins([ROOT / "constraints-train.txt"])) if name == "train" else set()
    assert set(read(name)) - OLDER_PYTHON - cuda == closure(*SOURCES[name].extras) - cuda
    assert cuda <= set(read(name))


def package(*files: str, name: str = "a", **more: Any) -> dict[str, Any]:
    wheels = [{"url": f"https://host/{file}", "hashes": {"sha256": f"of {file}"}} for file in files]
    return {"name": name, "version": "1", "wheels": wheels, **more}


SDIST: dict[str, Any] = {"sdist": {"url": "https://host/a-1.tar.gz", "hashes": {"sha256": "of source"}}}


@pytest.mark.parametrize(
    ("given", "hashes"),
    [
        (package("a-1-py3-none-any.whl", **SDIST), ["of a-1-py3-none-any.whl"]),
        (package(**SDIST), ["of source"]),
        (
            package(
                *(
                    f"a-1-cp311-cp311-{one}.whl"
                    for one in ("manylinux_2_28_x86_64", "win_amd64", "musllinux_1_2_x86_64")
                ),
                *("a-1-cp312-cp312-manylinux_2_28_x86_64.whl", "a-1-cp38-abi3-manylinux2014_aarch64.whl"),
                **SDIST,
            ),
            ["of a-1-cp311-cp311-manylinux_2_28_x86_64.whl", "of a-1-cp38-abi3-manylinux2014_aarch64.whl"],
        ),
        (
            package("a-1-cp311-cp311-manylinux1_x86_64.whl", **SDIST),
            ["of a-1-cp311-cp311-manylinux1_x86_64.whl", "of source"],
        ),
    ],
)
def test_files_are_those_that_an_image_can_install(given: dict[str, Any], hashes: list[str]) -> None:
    (line,) = lines([given])
    assert re.findall(r"--hash=sha256:(.+?)(?: \\)?$", line, re.M) == hashes


def test_a_package_without_a_file_for_linux_is_refused() -> None:
    with pytest.raises(ImageError, match="a 1: expected a file for Linux on x86_64 or aarch64; found none"):
        list(lines([package("a-1-cp311-cp311-win_amd64.whl")]))
    assert list(lines([])) == []


def test_packages_of_other_platforms_are_left_out() -> None:
    file, old = "a-1-py3-none-any.whl", "python_full_version < '3.11.3'"
    given = [
        package(file, name="windows", marker="sys_platform == 'win32'"),
        package(file, name="old", marker=old),
        package(file, name="arm", marker="platform_machine == 'aarch64'"),
        package(file, name="linux", marker="python_version >= '3.11' and sys_platform == 'linux'"),
    ]
    assert [line.split(" \\")[0] for line in lines(given)] == [
        f"old==1 ; {old}",
        "arm==1 ; platform_machine == 'aarch64'",
        "linux==1",
    ]


def test_torch_is_compared_with_its_local_version() -> None:
    (line,) = lines([package("torch-1-py3-none-any.whl", name="torch") | {"version": "1+cpu"}])
    assert line.startswith("torch===1+cpu \\\n")
    assert locked(f"# why\n{line}\n") == {"torch": "1+cpu"}
    assert locked("") == {}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A repository whose constraints pin the tools, with wheels of them: the sha256 of each."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "machine_settings", lambda: {"find-links": str(tmp_path / "wheels")})
    names = ("pip", "setuptools", "wheel")
    (tmp_path / "constraints.txt").write_text("".join(f"{name}==1.0\n" for name in names), encoding="utf-8")
    (tmp_path / LOCKS).mkdir(parents=True)
    wheel(tmp_path / "wheels", "pip", "2.0")
    return {name: wheel(tmp_path / "wheels", name) for name in names}


def test_a_lock_is_written_from_the_constraints(tools: dict[str, str]) -> None:
    file = write("build", ["--no-index"])
    assert file.read_text(
        encoding="utf-8"
    ) == "# Written by `make locks` from pyproject.toml, constraints.txt.\n" + "".join(
        f"{name}==1.0 \\\n    --hash=sha256:{digest}\n" for name, digest in tools.items()
    )


def test_a_lock_that_cannot_be_resolved_is_left_as_it_is(tools: dict[str, str], tmp_path: Path) -> None:
    before = write("build", ["--no-index"]).read_text(encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("pip==3.0\n", encoding="utf-8")
    with pytest.raises(ImageError, match=r"build: uv pip compile: exit status 1:\n(.|\n)*pip==3.0"):
        write("build", ["--no-index"])
    assert (tmp_path / LOCKS / "build.txt").read_text(encoding="utf-8") == before


def install(root: Path, text: str) -> "subprocess.CompletedProcess[str]":
    """The step of the Dockerfile that installs the predictor's packages, with another lock and wheels of this test."""
    (line,) = stages((ROOT / DOCKERFILE).read_text(encoding="utf-8"))["serve-packages"].arguments("RUN")
    command = line.split(" && ")[0].split()
    assert command[:2] == ["pip", "install"]
    file = root / LOCKS / "serve.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    options = ["--isolated", "--no-index", f"--find-links={root / 'wheels'}", f"--target={root / 'installed'}"]
    given = [sys.executable, "-m", *command, *options]
    return subprocess.run(given, cwd=root, env=env, capture_output=True, text=True, check=False)


def test_a_file_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    digest = wheel(tmp_path / "wheels", "tiny")
    other = ("0" if digest[0] != "0" else "1") + digest[1:]
    refused = install(tmp_path, f"tiny==1.0 \\\n    --hash=sha256:{other}\n")
    assert refused.returncode == 1
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    assert not (tmp_path / "installed").exists()
    assert install(tmp_path, f"tiny==1.0 \\\n    --hash=sha256:{digest}\n").returncode == 0
    assert (tmp_path / "installed" / "tiny.py").exists()


def test_a_package_without_a_hash_is_not_installed(tmp_path: Path) -> None:
    wheel(tmp_path / "wheels", "tiny")
    refused = install(tmp_path, "tiny==1.0\n")
    assert refused.returncode == 1
    assert "Hashes are required" in refused.stderr
