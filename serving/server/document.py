"""Parsing of an HTTP body: once, strictly, the same for every protocol and server."""

import json
import re
from typing import Any, NamedTuple

import orjson

from serving.errors import RefusalError
from serving.untrusted import quoted

JSON, BINARY = "application/json", "application/octet-stream"
JSON_LENGTH = "inference-header-content-length"
"""Header of the v2 protocol's binary form: the length of the JSON part, which the tensors' bytes follow."""
_WHOLE_NUMBER = re.compile(rb"0|[1-9][0-9]{0,18}")


class Body(NamedTuple):
    """A parsed body."""

    document: dict[str, Any]
    tensors: bytes | None = None
    """Bytes after the JSON part; None for a body of JSON only."""


def whole_number(name: str, text: bytes, most: int) -> int:
    """The number in a header: ASCII digits, no leading zero, at most ``most``. Raises RefusalError."""
    if not _WHOLE_NUMBER.fullmatch(text) or int(text) > most:
        raise RefusalError(
            400, f"{name}: expected a whole number from 0 to {most}; found {quoted(text.decode('latin-1'))}"
        )
    return int(text)


def parse_body(content_type: str, content: bytes, json_length: bytes | None = None) -> Body:
    """Parse a body whose JSON is an object. Raises RefusalError for any other content.

    ``content_type`` as in the header. ``json_length``: the header ``JSON_LENGTH``; None where it is missing or the
    protocol has no binary form.
    """
    kind = content_type.split(";")[0].strip().lower()
    length = len(content) if json_length is None else whole_number(JSON_LENGTH, json_length, len(content))
    if kind != JSON and (kind != BINARY or json_length is None):
        raise RefusalError(400, f"content-type: expected {JSON}; found {quoted(kind) if kind else 'none'}")
    if kind == JSON and length != len(content):
        raise RefusalError(400, f"content-type: expected {BINARY}, since bytes follow the JSON part; found {JSON}")
    text = content[:length]
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"body: expected JSON in UTF-8; found {str(error)[:100]}") from None
    if not isinstance(document, dict):
        raise RefusalError(400, f"body: expected an object; found {type(document).__name__}")
    _check_fields(text)
    return Body(document, content[length:] if kind == BINARY else None)


class _DuplicateFieldError(ValueError):
    """Raised for a field that occurs twice in one object."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    seen: set[str] = set()
    raise _DuplicateFieldError(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]


_FIELDS = json.JSONDecoder(object_pairs_hook=_object)


def _check_fields(text: bytes) -> None:
    """Raise RefusalError for an object with a field twice: orjson, as most parsers, silently keeps the last value."""
    try:
        _FIELDS.decode(text.decode("utf-8"))
    except _DuplicateFieldError as error:
        raise RefusalError(
            400, f"body: expected each field of an object once; found {quoted(str(error))} twice"
        ) from None
    except (ValueError, RecursionError):  # orjson accepts it, Python does not
        raise RefusalError(400, "body: expected numbers of fewer digits and objects less deep; found others") from None
