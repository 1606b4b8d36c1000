"""The locks of the images: every package with the sha256 of each file that pip may install, one lock per stage.

``python -m deploy.images.lock [NAME ...]`` (``make locks``) writes them with uv, from pyproject.toml and the
constraints. ``--flags`` (LOCK_FLAGS): further options of ``uv pip compile``. This machine's own pip settings
``index-url``, ``find-links`` and ``cert`` are passed on.
"""

import argparse
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from deploy.images.engine import ROOT
from deploy.images.errors import ImageError
from deploy.images.mirror import machine_settings

LOCKS = Path("deploy/images/locks")
MACHINES = ("x86_64", "aarch64")
_PYTHON, _GLIBC = (3, 11), range(5, 42)
"""Of the images; the minor versions of glibc up to Debian 13's."""
_TOOLS = ("pip", "setuptools", "wheel")


@dataclass(frozen=True)
class Lock:
    """What a lock is made of: extras of the project (none: the tools that install it), and constraints."""

    extras: tuple[str, ...]
    constraints: tuple[str, ...]


_CPU = ("constraints.txt", "constraints-cpu.txt")
SOURCES = {
    "build": Lock((), ("constraints.txt",)),
    "serve": Lock(("serve",), _CPU),
    "pipeline": Lock(("pipeline",), _CPU),
    "spark": Lock(("pipeline", "spark"), _CPU),
    "train": Lock(("train",), ("constraints.txt", "constraints-train.txt")),
}


def locked(text: str) -> dict[str, str]:
    """Package and version of each requirement of a lock."""
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.split()[0].rstrip(";").partition("==")
            found[name] = version.removeprefix("=")
    return found


def lines(packages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of a lock, from the ``packages`` of a pylock.toml for every platform; those of other platforms are
    left out. Raises ImageError for a package without a file.
    """
    for package in packages:
        name, version = package["name"], package["version"]
        applies = _where(package.get("marker"))
        if applies is None:
            continue
        hashes = sorted(_hashes(package))
        if not hashes:
            raise ImageError(f"{name} {version}: expected a file for Linux on {' or '.join(MACHINES)}; found none")
        # "===" compares text: torch's builds for CPUs and for CUDA differ by a local version, which "==" overlooks.
        pin = f"{name}{'===' if name == 'torch' else '=='}{version}{applies}"
        yield " \\\n".join([pin, *(f"    --hash=sha256:{one}" for one in hashes)])


def write(name: str, flags: Sequence[str] = ()) -> Path:
    """Resolve one lock and write its file. Raises ImageError with uv's last lines if it cannot be resolved."""
    lock = SOURCES[name]
    given = [f"--extra={extra}" for extra in lock.extras]
    command = [sys.executable, "-m", "uv", "pip", "compile", *(["pyproject.toml", *given] if given else ["-"])]
    command += [f"--constraints={file}" for file in lock.constraints]
    command += ["--universal", "--python-version=3.11", "--format=pylock.toml", "--no-header", "--quiet"]
    settings = machine_settings()
    command += [f"--default-index={settings['index-url']}"] if "index-url" in settings else []
    command += [f"--find-links={place}" for place in settings.get("find-links", "").split()]
    env = os.environ | ({"SSL_CERT_FILE": settings["cert"]} if "cert" in settings else {})
    asked = None if given else "\n".join(_TOOLS)
    done = subprocess.run(
        [*command, *flags], cwd=ROOT, env=env, input=asked, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise ImageError(f"{name}: uv pip compile: exit status {done.returncode}:\n{done.stderr.strip()[-2000:]}")
    head = f"# Written by `make locks` from pyproject.toml, {', '.join(lock.constraints)}.\n"
    file = ROOT / LOCKS / f"{name}.txt"
    file.write_text(head + "".join(f"{line}\n" for line in lines(tomllib.loads(done.stdout)["packages"])), "utf-8")
    return file


def main() -> int:
    """Write the locks; 1 if one cannot be resolved."""
    parser = argparse.ArgumentParser(prog="python -m deploy.images.lock", description="Write the locks of the images.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(SOURCES)} (all)")
    parser.add_argument("--flags", default=os.environ.get("LOCK_FLAGS", ""), help="further options of uv pip compile")
    given = parser.parse_args()
    if unknown := set(given.names) - set(SOURCES):
        parser.error(f"NAME: expected some of {', '.join(SOURCES)}; found {', '.join(sorted(unknown))}")
    try:
        for name in given.names or SOURCES:
            file = write(name, shlex.split(given.flags))
            print(f"{file.relative_to(ROOT)}  {len(locked(file.read_text(encoding='utf-8')))} packages")
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _hashes(package: Mapping[str, Any]) -> set[str]:
    """The sha256 of each wheel for Linux, and of the source if one of the machines has no wheel."""
    found, served = set(), set()
    for wheel in package.get("wheels", ()):
        file = unquote(wheel.get("name") or (wheel.get("url") or wheel["path"]).rsplit("/", 1)[-1])
        machines = {machine for machine, tags in _TAGS.items() if tags & parse_wheel_filename(file)[3]}
        if machines:
            found.add(wheel["hashes"]["sha256"])
            served |= machines
    if "sdist" in package and served != set(MACHINES):
        found.add(package["sdist"]["hashes"]["sha256"])
    return found


def _where(marker: str | None) -> str | None:
    """The marker of a line: nothing if it holds for every release of our Python on Linux, None if it holds nowhere."""
    if marker is None:
        return ""
    parsed = Marker(marker)
    held = {parsed.evaluate(_environment(machine, patch)) for machine in MACHINES for patch in ("0", "99")}
    return None if held == {False} else "" if held == {True} else f" ; {marker}"


def _environment(machine: str, patch: str) -> dict[str, str]:
    version = ".".join(map(str, _PYTHON))
    linux = {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": machine}
    python = {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    return linux | python | {"python_version": version, "python_full_version": f"{version}.{patch}"}


def _tags(machine: str) -> frozenset[Tag]:
    old = [f"manylinux{name}_{machine}" for name in ("1", "2010", "2014")]
    platforms = [*(f"manylinux_2_{minor}_{machine}" for minor in _GLIBC), *old, f"linux_{machine}"]
    return frozenset([*cpython_tags(_PYTHON, platforms=platforms), *compatible_tags(_PYTHON, "cp311", platforms)])


_TAGS = {machine: _tags(machine) for machine in MACHINES}


if __name__ == "__main__":
    sys.exit(main())
