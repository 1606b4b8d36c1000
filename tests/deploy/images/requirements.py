"""What pyproject.toml asks for by extra, and what that brings along, from the metadata of what is installed here."""

import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

from deploy.images.engine import ROOT
from deploy.images.pins import OURS, canonical

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def closure(*extras: str) -> set[str]:
    """Every package that the core and these extras install on this platform."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in PROJECT["dependencies"]]
    waiting += [Requirement(f"{OURS}[{','.join(extras)}]")] if extras else []
    while waiting:
        wanted = waiting.pop()
        name = canonical(wanted.name)
        for extra in ("", *sorted(wanted.extras)):
            if (name, extra) not in found:
                found.add((name, extra))
                waiting += _needs(name, extra)
    return {name for name, _ in found} - {OURS}


@cache
def _needs(name: str, extra: str) -> list[Requirement]:
    try:
        lines = EXTRAS.get(extra, []) if name == OURS else requires(name) or []
    except PackageNotFoundError:  # of another platform, or of another extra: triton
        return []
    parsed = [Requirement(line) for line in lines]
    if name == OURS:
        return parsed
    return [one for one in parsed if one.marker is None or one.marker.evaluate({"extra": extra})]
