"""Layers that builds of this folder left: those of the last build of a target stay, earlier ones are removed.

The engine keeps an image per instruction, so that the next build is quick, and never removes one. Only what the log of
a build of ours names is ever removed, and the engine refuses what is in use: layers of an image that has a name, that
others are made of, or that a container or a build uses.
"""

import json
import re
from pathlib import Path

from deploy.images.engine import ROOT, output, succeeds
from deploy.images.errors import ImageError
from models.documents import read_json
from models.files import write_text

_LINE = re.compile(r"^--> (?:Using cache )?([0-9a-f]{11,64})$", re.MULTILINE)
_LENGTH = 11
"""Digits of an identity in a log."""
Record = dict[str, list[str]]


def layers_in(log: Path) -> list[str]:
    """The layers that the log of a build names; none where there is no log."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    return list(dict.fromkeys(found[:_LENGTH] for found in _LINE.findall(text)))


def before_build(target: str, log: Path) -> None:
    """Note the layers of earlier builds of a target, before the log is written anew."""
    needed, old = _read()
    found = [*layers_in(log), *needed.get(target, [])]
    _write(needed, [*old, *found])


def after_build(target: str, log: Path) -> None:
    """Note the layers of a build that has ended well."""
    needed, old = _read()
    _write({**needed, target: layers_in(log)}, old)


def prune() -> int:
    """Remove the layers that no last build of a target needs; return how many. Layers that are in use wait.

    A call that is interrupted is finished by the next one. Raises ImageError without an engine.
    """
    needed, old = _read()
    kept = {layer for layers in needed.values() for layer in layers}
    waiting, removed = [layer for layer in dict.fromkeys(old) if layer not in kept], 0
    while waiting:
        left = [layer for layer in waiting if succeeds(["podman", "image", "exists", layer])]
        gone = [layer for layer in left if not _named(layer) and _remove(layer)]
        removed += len(gone)
        waiting = [layer for layer in left if layer not in gone]
        if not gone:
            break
    _write(needed, waiting)
    return removed


def _named(layer: str) -> bool:
    """Whether an image has a name: removing it by its identity would remove the name."""
    try:
        found = output(["podman", "image", "inspect", "--format", "{{json .RepoTags}}", layer])
    except ImageError:
        return True  # another process removes it
    return bool(json.loads(found))


def _remove(layer: str) -> bool:
    """Remove an image, but not those that it was made of; False if it is in use."""
    return succeeds(["podman", "image", "rm", "--no-prune", layer])


def _file() -> Path:
    return ROOT / "build" / "images" / "layers.json"


def _read() -> tuple[Record, list[str]]:
    """By target the layers of the last build, and those of earlier ones. A damaged record is begun anew."""
    try:
        document = read_json(_file().read_text(encoding="utf-8"))
        return dict(document["needed"]), list(document["old"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}, []


def _write(needed: Record, old: list[str]) -> None:
    write_text(_file(), json.dumps({"needed": needed, "old": list(dict.fromkeys(old))}))
