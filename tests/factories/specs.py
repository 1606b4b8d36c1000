"""Small specs: one complete document, in which a test replaces what it is about."""

import copy
from datetime import date
from typing import Any

import yaml

from models.spec import Spec, parse_spec

MEMBER, ITEM = ("member", "member"), ("item", "item")
"""Node and column."""


def document(**parts: Any) -> dict[str, Any]:
    """A spec in which members click items on two surfaces; ``parts`` replace its top-level keys, None removes one."""
    whole = {
        "name": "small",
        "source": {"adapter": "none"},
        "nodes": {"member": {"key": "member_id"}, "item": {"key": "item_id"}},
        "edges": {"clicked": edge("impressions", MEMBER, ITEM)},
        "impressions": impressions(),
        "tasks": {"click": {"label": "click", "primary": True}},
        "windows": windows(),
        "home_domain": "feed",
    }
    return copy.deepcopy({key: value for key, value in {**whole, **parts}.items() if value is not None})


def edge(table: str, source: tuple[str, str], target: tuple[str, str], **parts: Any) -> dict[str, Any]:
    """An edge between (node, column) and (node, column); engagement in the feed unless ``parts`` say otherwise."""
    time = "settled_time" if table == "impressions" else "time"
    whole = {"table": table, "source": _end(source), "target": _end(target), "time": time}
    return {**whole, "kind": "engagement", "domain": "feed", **parts}


def impressions(member: tuple[str, str] = MEMBER, item: tuple[str, str] = ITEM, **parts: Any) -> dict[str, Any]:
    """The block of that name; two surfaces and one outcome unless ``parts`` say otherwise."""
    whole = {"member": _end(member), "item": _end(item), "surfaces": ["feed", "email"], "context": {}}
    return {**whole, "outcomes": ["click"], **parts}


def windows(start: str = "2026-01-01", **days: int) -> dict[str, Any]:
    """Windows of these lengths; 2, 2, 1, 1 and 1 days where none is given."""
    lengths = {"graph": 2, "train": 2, "validate": 1, "gate": 1, "test": 1, **days}
    return {"start": date.fromisoformat(start), **{name: {"days": length} for name, length in lengths.items()}}


def _end(end: tuple[str, str]) -> dict[str, str]:
    return {"node": end[0], "column": end[1]}


def text_of(whole: dict[str, Any]) -> str:
    """The document as YAML, its keys in their order."""
    return yaml.dump(whole, Dumper=_WithoutAliases, sort_keys=False)


def spec_of(whole: dict[str, Any], name: str = "small.yaml") -> Spec:
    """The document's spec. Raises SpecError, which names the file ``name``."""
    return parse_spec(text_of(whole), name)


class _WithoutAliases(yaml.SafeDumper):
    """Values that occur twice are written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        """Every value."""
        return True
