"""What the page offers to ask for: the fields of a request, the slates served last, and the items shown most."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from models.spec import Spec
from serving.ranking.request import Key, is_live
from serving.settings.settings import Settings

_SLATES = 12
"""Members that are offered."""
_ITEMS = 20
"""Items of each."""
_TAIL = 4 << 20
"""Bytes at the end of the served log that are looked at."""


def offers(spec: Spec, settings: Settings, popular: Sequence[Key]) -> dict[str, Any]:
    """The fields of a request to the server; ``popular``: items for who has no slate at hand.

    Keys are text, since a browser rounds whole numbers above 2^53.
    """
    shown, limits = spec.impressions, settings.limits
    return {
        "name": settings.name,
        "primary": spec.primary_task,
        "tasks": list(spec.tasks),
        "surfaces": list(shown.surfaces),
        "context": [{"name": feature.name, "kind": feature.kind} for feature in shown.typed_context],
        "item_node": shown.item.node,
        "keys": {role: spec.nodes[column.node].key_type for role, column in spec.node_columns()},
        "most": min(limits.items, limits.explained),
        "latest": latest(Path(settings.served), list(shown.context)),
        "popular": [str(item) for item in popular[:_ITEMS]],
    }


def latest(served: Path, context: list[str]) -> list[dict[str, Any]]:
    """The last slate of each of the members served last, as it was asked for; newest first."""
    found: dict[Any, dict[str, Any]] = {}
    for lines in _slates(served):
        if len(found) == _SLATES:
            break
        line = lines[0]
        member = line["member"]
        if member not in found:
            given = {name: line["features"].get(name) for name in context}
            live = is_live(line["time"], line["served"])
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=line["time"])
            found[member] = {
                "member": str(member),
                "items": [str(ranked["item"]) for ranked in lines[:_ITEMS]],
                "surface": line["surface"],
                "time": None if live else moment.isoformat(),
                "context": {name: value for name, value in given.items() if value is not None},
            }
    return list(found.values())


def _slates(served: Path) -> Iterator[list[dict[str, Any]]]:
    """The lines of each slate in ranked order, newest slate first; one whose first line is missing is passed over."""
    for _, lines in groupby(_lines(served), lambda line: (line["served"], line["request"], line["slate"])):
        ranked = list(lines)[::-1]
        if ranked[0]["rank"] == 0:
            yield ranked


def _lines(served: Path) -> Iterator[dict[str, Any]]:
    """The lines at the end of the newest file, newest first; what is torn or cut off is passed over."""
    newest = max(served.glob("*.jsonl"), key=_changed, default=None)
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


def _changed(file: Path) -> float:
    """When; the oldest of all where it is gone meanwhile, as full logs go."""
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0
