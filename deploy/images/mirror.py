"""This machine's own pip settings as options of a build: mirrors, certificates, folders of wheels."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

_ARGUMENTS = {
    "index-url": "PIP_INDEX_URL",
    "extra-index-url": "PIP_EXTRA_INDEX_URL",
    "find-links": "PIP_FIND_LINKS",
    "trusted-host": "PIP_TRUSTED_HOST",
    "cert": "PIP_CERT",
    "timeout": "PIP_DEFAULT_TIMEOUT",
    "default-timeout": "PIP_DEFAULT_TIMEOUT",
}
"""Settings of pip that say where packages come from, and the arguments of deploy/Dockerfile that take them."""
_LINE = re.compile(r"^(:env:|global|install)\.([\w-]+)=(.+)$")
_INDEXES = ("index-url", "extra-index-url")


def settings(listed: str) -> dict[str, str]:
    """The settings above in what ``pip config list`` prints; the environment's replace those of files."""
    found: dict[str, tuple[bool, str]] = {}
    for line in listed.splitlines():
        match = _LINE.match(line.strip())
        if match and match[2] in _ARGUMENTS:
            of_environment = match[1] == ":env:"
            if of_environment or not found.get(match[2], (False, ""))[0]:
                found[match[2]] = (of_environment, str(ast.literal_eval(match[3])))
    return {name: value for name, (_, value) in found.items()}


def build_flags(given: Mapping[str, str]) -> list[str]:
    """Options of ``buildah build``: the settings as arguments, and what lies on this machine mounted read-only."""
    flags = []
    for name, value in given.items():
        flags += ["--build-arg", f"{_ARGUMENTS[name]}={value}"]
    mounts = {mount for name, value in given.items() for mount in _mounts(name, value)}
    for mount in sorted(mounts):
        flags += ["--volume", f"{mount}:{mount}:ro"]
    return flags


def machine_settings() -> dict[str, str]:
    """``settings`` of the pip that belongs to this Python."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    return settings(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _mounts(name: str, value: str) -> Iterator[Path]:
    """The files and folders of this machine in a setting. The files of an index lie beside its folder of pages."""
    for word in value.split():
        path = Path(word.removeprefix("file://"))
        if path.is_absolute() and path.exists():
            yield path.parent if name in _INDEXES else path
