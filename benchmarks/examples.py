"""Examples of the pages: extracts and runs every fenced block of README, CONTRIBUTING, SECURITY and docs.

A block that cannot run here states the reason in the line before it: ``<!-- not run: reason -->``.
"""

import ast
import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.served_world import ROOT

NOT_EXAMPLES = ("mermaid", "text")
"""Languages of diagrams."""
TESTED = ("docs/logs.md", "docs/tutorial.md")
"""Pages with a product of their own, whose blocks follow on each other: tests of their own run them."""
_FENCE = re.compile(r"^(`{3,}|~{3,})\s*([\w+-]*)[^`]*$")
_MARK = re.compile(r"<!--\s*not run:\s*(.*?)\s*-->")
# curl as on the page, but an HTTP error is a failure, and the environment's proxy is not used.
_CURL = '#!/bin/sh\nexec {curl} --fail-with-body --noproxy "*" "$@"\n'


class ExampleError(Exception):
    """Raised for an example that does not work; the message names its page and line."""


@dataclass(frozen=True)
class Example:
    """One fenced block."""

    page: str
    """Path relative to the repository's root."""
    line: int
    """Line of the fence, from 1."""
    language: str
    text: str
    reason: str
    """Why it is not run; "" = it is run."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Place:
    """The environment of the examples: a working folder, an endpoint, and names that Python examples may use."""

    folder: Path
    """Holds ``state``, ``graph``, ``configs`` and ``.venv``, like a checkout after a run."""
    url: str
    names: Mapping[str, Any]


def pages() -> list[Path]:
    """List the pages with examples. docs/serving.md is the first of docs: its requests make the metrics."""
    first = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/serving.md")
    found = [ROOT / name for name in first]
    return found + [page for page in sorted((ROOT / "docs").rglob("*.md")) if page not in found]


def independent() -> list[Example]:
    """List the blocks of all pages that can be run one by one, on the professional network."""
    found = [one for page in pages() if page.relative_to(ROOT).as_posix() not in TESTED for one in examples(page)]
    return [one for one in found if one.language not in NOT_EXAMPLES]


def examples(page: Path) -> list[Example]:
    """List the fenced blocks of a page, in order, diagrams included."""
    found: list[Example] = []
    fence, begin, block, reason, before = "", 0, [], "", ""  # type: ignore[var-annotated]
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        opened = _FENCE.match(line.strip())
        if not fence and opened:
            marked = _MARK.fullmatch(before.strip())
            fence, language, begin, block = opened[1], opened[2], number, []
            reason = marked[1] if marked else ""
        elif fence and line.strip() == fence:
            where = page.relative_to(ROOT).as_posix() if page.is_relative_to(ROOT) else page.name
            found.append(Example(where, begin, language, "\n".join(block) + "\n", reason))
            fence = ""
        elif fence:
            block.append(line)
        if line.strip():
            before = line
    if fence:
        raise ExampleError(f"{page}:{begin}: expected the block to end; found the end of the page")
    return found


def run(example: Example, place: Place) -> None:
    """Run an example according to its language. Raises ExampleError."""
    if example.language not in _RUNNERS:
        known = ", ".join([*_RUNNERS, *NOT_EXAMPLES])
        raise ExampleError(f"{example}: expected a block of one of {known}; found {example.language!r}")
    try:
        _RUNNERS[example.language](example, place)
    except Exception as error:
        raise ExampleError(f"{example}: {type(error).__name__}: {error}") from error


def _shell(example: Example, place: Place) -> None:
    """Run as a script that stops at the first failing command; an HTTP error is a failure."""
    tools = place.folder / "tools"
    tools.mkdir(exist_ok=True)
    found = subprocess.run(["which", "curl"], capture_output=True, text=True, check=True).stdout.strip()
    (tools / "curl").write_text(_CURL.format(curl=found), encoding="utf-8")
    (tools / "curl").chmod(0o755)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": str(ROOT),
        "URL": place.url,
        "HELIOGRAPH_TOKEN": "sixteen-characters",
    }
    command = ["bash", "-euo", "pipefail", "-c", example.text]
    done = subprocess.run(command, cwd=place.folder, env=environment, capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise ExampleError(f"status {done.returncode}: {(done.stdout + done.stderr)[-1500:]}")


def _python(example: Example, place: Place) -> None:
    """Run in the working folder, with the given names."""
    code = compile(example.text, str(example), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names: dict[str, Any] = {**place.names}
    before = Path.cwd()
    os.chdir(place.folder)
    try:
        left = eval(code, names)  # a page's own text
        if asyncio.iscoroutine(left):
            asyncio.run(left)
    finally:
        os.chdir(before)


def _yaml(example: Example, place: Place) -> None:
    """Merge into the example spec, or into the store's configuration, and parse the result; or settings of tasks."""
    from feast.repo_config import RepoConfig

    from models.spec import parse_spec
    from pipelines.settings import DEFAULTS, read_settings

    part = yaml.safe_load(example.text)
    if set(part) <= set(DEFAULTS):
        file = place.folder / "resources.yaml"
        file.write_text(example.text, encoding="utf-8")
        read_settings(file)
        return
    stores = {"offline_store", "online_store"} & set(part)
    whole = ROOT / ("feature_repo/feature_store.yaml" if stores else "configs/professional.yaml")
    merged = _merged(yaml.safe_load(whole.read_text(encoding="utf-8")), part)
    if stores:
        # Feast accepts an unknown key of a store's options only if the store's class does.
        config = RepoConfig(**{**merged, "project": "example", "repo_path": place.folder})
        for store in stores:
            getattr(config, store)
    else:
        parse_spec(yaml.safe_dump(merged), str(example))


def _json(example: Example, place: Place) -> None:
    """Send a request; anything else is a candidate of a response and must have its fields."""
    document = json.loads(example.text)
    if "instances" in document:
        _predicted(place, document)
        return
    instance = {"member": 17, "items": [53, 8, 91], "context": {"surface": "notification"}, "explain": True}
    (found,) = _predicted(place, {"instances": [instance]})["predictions"]
    candidate = found["slate"][0]
    for field in ("probabilities", ""):
        ours, theirs = (part[field] if field else part for part in (document, candidate))
        if set(ours) != set(theirs):
            raise ExampleError(f"expected the fields {sorted(theirs)}; found {sorted(ours)}")


def _predicted(place: Place, document: object) -> Any:
    path = "/v1/models/heliograph-professional:predict"
    response = httpx.post(place.url + path, json=document, timeout=30, trust_env=False)
    if response.status_code != 200:
        raise ExampleError(f"expected 200; found {response.status_code}: {response.text[:300]}")
    return response.json()


def _merged(whole: Any, part: Any) -> Any:
    """Merge mappings recursively; a store of another type, or windows with an end, replace the whole mapping."""
    if not (isinstance(whole, dict) and isinstance(part, dict)) or "end" in part:
        return part
    if whole.get("type") != part.get("type", whole.get("type")):
        return part
    return {**whole, **{key: _merged(whole.get(key), value) for key, value in part.items()}}


_RUNNERS: dict[str, Callable[[Example, Place], None]] = {
    "sh": _shell,
    "shell": _shell,
    "bash": _shell,
    "python": _python,
    "yaml": _yaml,
    "json": _json,
}
