"""Reading YAML: one meaning a value, no key twice, and a bound on everything.

YAML 1.1, YAML 1.2 and JSON differ in what they take a plain value for (``no``, ``010``, ``12:30``, ``1_000``, ``1e3``).
Here ``true``, ``false``, ``null``, decimal numbers and dates are read as all of them mean it, other plain values are
texts, and what one of them would read as something else is refused. Aliases and merges are counted, never copied.
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
"""Of a document that people write, each alias counted as what it stands for; the JSON that we make of it says more."""

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
    """What a text in YAML or JSON says: dict, list, str, int, float, bool, date or None. Raises DocumentError."""
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
class _Part:
    """A value, how many values it holds with itself, how deep it goes, and the parts of a mapping."""

    value: Any
    size: int = 1
    depth: int = 0
    entries: Mapping[str, "_Part"] | None = field(default=None, repr=False)


class _Yaml:
    """One document out of the events of a YAML parser."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, _Part] = {}
        self._values = 0

    def read(self) -> Any:
        next(self._events)  # the stream begins
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        part = self._part(next(self._events), ())
        next(self._events)  # the document ends
        if not isinstance(next(self._events), yaml.StreamEndEvent):
            raise DocumentError(DOCUMENT, "one document", "another one after `---`")
        return part.value

    def _part(self, event: Any, path: tuple[str, ...]) -> _Part:
        if isinstance(event, yaml.AliasEvent):
            part = self._anchors.get(str(event.anchor))
            if part is None:
                raise DocumentError(_key(path), f"an anchor &{event.anchor} that ends before its alias", "none")
            if len(path) + part.depth > DEEPEST:
                raise too_deep()
            self._count(part.size)
            return part
        self._count(1)
        if len(path) > DEEPEST:
            raise too_deep()
        if isinstance(event, yaml.ScalarEvent):
            part = _Part(_scalar(event, path))
        elif event.tag is not None:
            raise _tagged(event.tag, path)
        else:
            part = self._list(path) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(path)
        if event.anchor is not None:
            if event.anchor in self._anchors:
                raise DocumentError(_key(path), "every anchor once", f"&{event.anchor} twice")
            self._anchors[event.anchor] = part
        return part

    def _list(self, path: tuple[str, ...]) -> _Part:
        parts: list[_Part] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            parts.append(self._part(event, (*path, str(len(parts)))))
        return _Part([part.value for part in parts], *_measure(parts))

    def _mapping(self, path: tuple[str, ...]) -> _Part:
        own: dict[str, _Part] = {}
        merged: dict[str, _Part] | None = None
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
            own[key] = self._part(next(self._events), (*path, key))
        entries = {**(merged or {}), **own}
        values = {key: part.value for key, part in entries.items()}
        return _Part(values, *_measure(list(entries.values())), entries)

    def _name(self, event: Any, path: tuple[str, ...]) -> str:
        """A key: a text, in quotes where it would read as something else."""
        key = _scalar(event, (*path, event.value)) if isinstance(event, yaml.ScalarEvent) else event
        if isinstance(event, yaml.ScalarEvent) and event.anchor is None and isinstance(key, str):
            self._count(1)
            return key
        found = f"{event.value!r:.80}" if isinstance(event, yaml.ScalarEvent) else "a list, a mapping or an alias"
        expected = "keys that are texts, in quotes where they read as something else"
        raise DocumentError(_key(path), expected, f"{found} (line {event.start_mark.line + 1})")

    def _merged(self, path: tuple[str, ...]) -> dict[str, _Part]:
        """What ``<<`` brings: a mapping's entries, or those of several, the first before the others."""
        event = next(self._events)
        if isinstance(event, yaml.SequenceStartEvent):
            parts = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                parts.append(self._part(event, path))
        else:
            parts = [self._part(event, path)]
        found: dict[str, _Part] = {}
        for part in reversed(parts):
            if part.entries is None:
                raise DocumentError(_key(path), "mappings behind `<<`", f"{type(part.value).__name__}")
            self._count(len(part.entries))
            found |= part.entries
        return found

    def _count(self, values: int) -> None:
        self._values += values
        if self._values > MOST_VALUES:
            raise too_many(MOST_VALUES)


def _measure(parts: list[_Part]) -> tuple[int, int]:
    return 1 + sum(part.size for part in parts), 1 + max((part.depth for part in parts), default=0)


def _scalar(event: Any, path: tuple[str, ...]) -> Any:
    if event.tag not in _TEXT_TAGS:
        raise _tagged(event.tag, path)
    if event.tag is not None or not event.implicit[0]:
        return event.value  # in quotes, a block, or tagged as text
    return _plain(event.value, path)


def _plain(text: str, path: tuple[str, ...]) -> Any:
    """What a value without quotes means."""
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
        raise DocumentError(
            DOCUMENT, "dates and numbers that there are", f"{_key(path)}: {text:.80} ({error})"
        ) from None
    if no_number := _NO_NUMBER.fullmatch(text):
        return math.nan if word.endswith("nan") else float(f"{no_number[1]}inf")
    if _OTHER_NUMBER.fullmatch(text):
        expected = f'a number in decimal digits, such as 10 or 0.5, or "{text:.40}" in quotes for the text'
        raise DocumentError(_key(path), expected, f"{text:.40}, {_DISAGREE}")
    if _OTHER_TIME.fullmatch(text):
        expected = f'a date such as 2026-01-31, or "{text:.40}" in quotes for the text'
        raise DocumentError(_key(path), expected, f"{text:.40}, {_DISAGREE}")
    return text


_DISAGREE = "which readers of YAML take for different things"


def _key(path: tuple[str, ...]) -> str:
    return ".".join(path) or DOCUMENT


def _tagged(tag: str, path: tuple[str, ...]) -> DocumentError:
    return DocumentError(_key(path), "a value without a tag", f"{tag.replace('tag:yaml.org,2002:', '!!'):.80}")


def _twice(key: str, path: tuple[str, ...], line: int) -> DocumentError:
    where = f" in {'.'.join(path)}" if path else ""
    return DocumentError(DOCUMENT, "every key once", f"{key!r:.80} stands twice in one mapping{where} (line {line})")
