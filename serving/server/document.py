"""The checks that every HTTP body with a document goes through, whatever the server."""

import json
import re
from typing import Any

import orjson

from serving.errors import RefusalError
from serving.shown import shown

JSON, BINARY = "application/json", "application/octet-stream"
JSON_LENGTH = "inference-header-content-length"
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,18}")


def whole_number(name: str, text: bytes, most: int) -> int:
    """The number that a header gives: ASCII digits alone, no leading zero, at most ``most``. Raises RefusalError."""
    if not _NUMBER.fullmatch(text) or int(text) > most:
        raise RefusalError(
            400, f"{name}: expected a whole number from 0 to {most}; found {shown(text.decode('latin-1'))}"
        )
    return int(text)


def check_document(content_type: str, body: bytes, json_length: bytes | None = None) -> dict[str, Any]:
    """The JSON object in a body. Raises RefusalError.

    ``content_type``: as the header says. ``json_length``: the header of the v2 protocol's binary form, None where that
    form is not spoken or the header not given; the object is then the body's first so many bytes.
    """
    kind = content_type.split(";")[0].strip().lower()
    length = len(body) if json_length is None else whole_number(JSON_LENGTH, json_length, len(body))
    if kind != JSON and (kind != BINARY or json_length is None):
        raise RefusalError(400, f"content-type: expected {JSON}; found {shown(kind) if kind else 'none'}")
    if kind == JSON and length != len(body):
        raise RefusalError(400, f"content-type: expected {BINARY}, since bytes follow the JSON part; found {JSON}")
    text = body[:length]
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"body: expected JSON in UTF-8; found {str(error)[:100]}") from None
    if not isinstance(document, dict):
        raise RefusalError(400, f"body: expected an object; found {type(document).__name__}")
    _check_names(text)
    return document


class _TwiceError(ValueError):
    """A field stands twice in one object."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    seen: set[str] = set()
    raise _TwiceError(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]


_TWICE = json.JSONDecoder(object_pairs_hook=_object)


def _check_names(text: bytes) -> None:
    """Raise RefusalError for an object with a field twice: of two values orjson, as most readers, keeps the last."""
    try:
        _TWICE.decode(text.decode("utf-8"))
    except _TwiceError as error:
        raise RefusalError(
            400, f"body: expected each field of an object once; found {shown(str(error))} twice"
        ) from None
    except (ValueError, RecursionError):  # what orjson reads, and Python does not
        raise RefusalError(400, "body: expected numbers of fewer digits and objects less deep; found others") from None
