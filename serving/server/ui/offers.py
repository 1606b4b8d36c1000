"""Choices on the page: the fields of a request, recently served slates, and popular items."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from models.spec import Spec
from models.time_units import iso
from serving.ranking.keys import Key
from serving.ranking.request import is_live
from serving.settings.settings import Settings

_SLATES = 12
"""Members with a recent slate."""
_ITEMS = 20
"""Items of each slate, and popular items."""
_TAIL = 4 << 20
"""Bytes at the end of the served log that are read."""


def offers(spec: Spec, settings: Settings, popular: Sequence[Key]) -> dict[str, Any]:
    """The choices for requests to one server; ``popular``: items to start with when nothing has been served yet.

    Keys are text, since a browser rounds whole numbers above 2^53.
    """
    impressions, limits = spec.impressions, settings.limits
    return {
        "name": settings.name,
        "primary": spec.primary_task,
        "tasks": list(spec.tasks),
        "surfaces": list(impressions.surfaces),
        "context": [{"name": feature.name, "kind": feature.kind} for feature in impressions.typed_context],
        "candidates": [{"name": feature.name, "kind": feature.kind} for feature in impressions.typed_candidates],
        "item_node": impressions.item.node,
        "most": min(limits.items, limits.explained),
        "latest": latest_slates(Path(settings.served), list(impressions.context), list(impressions.candidate_context)),
        "popular": [str(item) for item in popular[:_ITEMS]],
    }


def latest_slates(served: Path, context: list[str], candidates: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The last slate of each of the members that were served last, as its request; newest first."""
    found: dict[Any, dict[str, Any]] = {}
    for lines in _slates(served):
        if len(found) == _SLATES:
            break
        line = lines[0]
        member = line["member"]
        if member not in found:
            given = {name: line["features"].get(name) for name in context}
            live = is_live(line["time"], line["served"])
            by_item = {name: [ranked["features"].get(name) for ranked in lines[:_ITEMS]] for name in candidates}
            found[member] = {
                "member": str(member),
                "items": [str(ranked["item"]) for ranked in lines[:_ITEMS]],
                "surface": line["surface"],
                "time": None if live else iso(line["time"]),
                "context": {name: value for name, value in given.items() if value is not None},
                "candidates": {
                    name: values for name, values in by_item.items() if any(one is not None for one in values)
                },
            }
    return list(found.values())


def _slates(served: Path) -> Iterator[list[dict[str, Any]]]:
    """The lines of each slate in ranked order, newest slate first; slates without their first line are skipped."""
    for _, lines in groupby(_lines(served), lambda line: (line["served"], line["request"], line["slate"])):
        ranked = list(lines)[::-1]
        if ranked[0]["rank"] == 0:
            yield ranked


def _lines(served: Path) -> Iterator[dict[str, Any]]:
    """The lines at the end of the newest file, newest first; incomplete lines are skipped."""
    newest = max(served.glob("*.jsonl"), key=_modified, default=None)
    if newest is None:
        return
    with newest.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - _TAIL))
        tail = stream.read()
    for line in reversed(tail.splitlines()):
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:
            continue


def _modified(file: Path) -> float:
    """Modification time; 0 if the file was removed meanwhile, as the oldest files of the log are."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
