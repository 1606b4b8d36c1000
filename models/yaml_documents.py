"""Strict, bounded YAML reader: unambiguous values only, no duplicate keys, and limits on size and depth.

YAML 1.1, YAML 1.2 and JSON read some plain values differently (``no``, ``010``, ``12:30``, ``1_000``, ``1e3``). Values
on which they agree are read as ``true``, ``false``, ``null``, decimal numbers, dates or texts; the others are errors.
Aliases and merges count as what they expand to, but are not copied.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import yaml

from models.documents import (
    DEEPEST,
    DOCUMENT,
    DocumentError,
    check_length,
    read_json,
    too_deep,
    too_many,
)

MOST_CHARACTERS = 1 << 20
MOST_VALUES = 10_000
"""Limit of a hand-written YAML document, aliases expanded; lower than the limit of the JSON that we write from it."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAGS = (None, "!", "tag:yaml.org,2002:str")
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_OTHER_WORDS = ("yes", "no", "on", "off")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"([-+]?)\.(inf|nan)", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OTHER_NUMBER = re.compile(
    r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9_]+)?|[-+]?\.[0-9_]+([eE][-+]?[0-9]+)?|[-+]?0[xX][0-9a-fA-F_]+"
    r"|[-+]?0[bB][01_]+|[-+]?0[oO][0-7_]+|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
)
_OTHER_TIME = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:.*")


def read_document(text: str) -> Any:
    """Parse YAML or JSON into dict, list, str, int, float, bool, date or None. Raises DocumentError."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        try:
            return read_json(text.lstrip("\ufeff"))
        except json.JSONDecodeError:
            pass  # a mapping in YAML's flow style
    check_length(text, MOST_CHARACTERS)
    try:
        return _Yaml(text).read()
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise DocumentError(DOCUMENT, "YAML", " ".join(str(error).split())[:300]) from None


@dataclass(frozen=True)
class _Node:
    """A parsed YAML node: its value, the number of values in it, its depth, and the entries of a mapping."""

    value: Any
    size: int = 1
    depth: int = 0
    entries: Mapping[str, "_Node"] | None = field(default=None, repr=False)


class _Yaml:
    """Builds one document from the events of a YAML parser."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, _Node] = {}
        self._values = 0

    def read(self) -> Any:
        next(self._events)  # start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        node = self._node(next(self._events), ())
        next(self._events)  # end of the document
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise DocumentError(DOCUMENT, "one document", "another one after `---`")
        return node.value

    def _node(self, event: Any, path: tuple[str, ...]) -> _Node:
        if isinstance(event, yaml.AliasEvent):
            node = self._anchors.get(str(event.anchor))
            if node is None:
                raise DocumentError(_key(path), f"an anchor &{event.anchor} that ends before its alias", "none")
            if len(path) + node.depth > DEEPEST:
                raise too_deep()
            self._count(node.size)
            return node
        self._count(1)
        if len(path) > DEEPEST:
            raise too_deep()
        if isinstance(event, yaml.ScalarEvent):
            node = _Node(_scalar(event, path))
        elif event.tag is not None:
            raise _tagged(event.tag, path)
        else:
            node = self._list(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)
        if event.anchor is not None:
            if event.anchor in self._anchors:
                raise DocumentError(_key(path), "every anchor once", f"&{event.anchor} twice")
            self._anchors[event.anchor] = node
        return node

    def _list(self, path: tuple[str, ...]) -> _Node:
        nodes: list[_Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            nodes.append(self._node(event, (*path, str(len(nodes)))))
        return _Node([node.value for node in nodes], *_measure(nodes))

    def _mapping(self, path: tuple[str, ...]) -> _Node:
        own: dict[str, _Node] = {}
        merged: dict[str, _Node] | None = None
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0] and not event.tag:
                if merged is not None:
                    raise _twice("<<", path, line)
                merged = self._merged(path)
                continue
            key = self._name(event, path)
            if key in own:
                raise _twice(key, path, line)
            own[key] = self._node(next(self._events), (*path, key))
        entries = {**(merged or {}), **own}
        values = {key: node.value for key, node in entries.items()}
        return _Node(values, *_measure(list(entries.values())), entries)

    def _name(self, event: Any, path: tuple[str, ...]) -> str:
        """Parse a key, which must be a text; one that would read as another type needs quotes."""
        key = _scalar(event, (*path, event.value)) if isinstance(event, yaml.ScalarEvent) else event
        if isinstance(event, yaml.ScalarEvent) and event.anchor is None and isinstance(key, str):
            self._count(1)
            return key
        found = f"{event.value!r:.80}" if isinstance(event, yaml.ScalarEvent) else "a list, a mapping or an alias"
        expected = "keys that are texts, in quotes where they would read as another type"
        raise DocumentError(_key(path), expected, f"{found} (line {event.start_mark.line + 1})")

    def _merged(self, path: tuple[str, ...]) -> dict[str, _Node]:
        """The entries that ``<<`` merges in, from one mapping or several; earlier mappings take precedence."""
        event = next(self._events)
        if isinstance(event, yaml.SequenceStartEvent):
            nodes = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                nodes.append(self._node(event, path))
        else:
            nodes = [self._node(event, path)]
        found: dict[str, _Node] = {}
        for node in reversed(nodes):
            if node.entries is None:
                raise DocumentError(_key(path), "mappings behind `<<`", f"{type(node.value).__name__}")
            self._count(len(node.entries))
            found |= node.entries
        return found

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise too_many(MOST_VALUES)


def _measure(nodes: list[_Node]) -> tuple[int, int]:
    return 1 + sum(node.size for node in nodes), 1 + max((node.depth for node in nodes), default=0)


def _scalar(event: Any, path: tuple[str, ...]) -> Any:
    if event.tag not in _TEXT_TAGS:
        raise _tagged(event.tag, path)
    if event.tag is not None or not event.implicit[0]:
        return event.value  # in quotes, a block, or tagged as text
    return _plain(event.value, path)


def _plain(text: str, path: tuple[str, ...]) -> Any:
    """Parse a value without quotes."""
    word = text.lower()
    written_alike = text in (word, word.capitalize(), word.upper())
    if written_alike and word in _WORDS:
        return _WORDS[word]
    if written_alike and word in _OTHER_WORDS:
        raise DocumentError(_key(path), f'true or false, or "{text}" in quotes for the text', f"{text}, {_DISAGREE}")
    try:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _DECIMAL.fullmatch(text):
            return float(text)
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError as error:
        raise DocumentError(DOCUMENT, "valid dates and numbers", f"{_key(path)}: {text:.80} ({error})") from None
    if no_number := _NO_NUMBER.fullmatch(text):
        return math.nan if word.endswith("nan") else float(f"{no_number[1]}inf")
    if _OTHER_NUMBER.fullmatch(text):
        expected = f'a number in decimal digits, such as 10 or 0.5, or "{text:.40}" in quotes for the text'
        raise DocumentError(_key(path), expected, f"{text:.40}, {_DISAGREE}")
    if _OTHER_TIME.fullmatch(text):
        expected = f'a date such as 2026-01-31, or "{text:.40}" in quotes for the text'
        raise DocumentError(_key(path), expected, f"{text:.40}, {_DISAGREE}")
    return text


_DISAGREE = "which YAML parsers read differently"


def _key(path: tuple[str, ...]) -> str:
    return ".".join(path) or DOCUMENT


def _tagged(tag: str, path: tuple[str, ...]) -> DocumentError:
    return DocumentError(_key(path), "a value without a tag", f"{tag.replace('tag:yaml.org,2002:', '!!'):.80}")


def _twice(key: str, path: tuple[str, ...], line: int) -> DocumentError:
    where = f" in {'.'.join(path)}" if path else ""
    return DocumentError(DOCUMENT, "every key once", f"{key!r:.80} is given twice in one mapping{where} (line {line})")
