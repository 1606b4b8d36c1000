"""JSON documents written by people: duplicate keys are refused, and length, size and depth are limited.

``models.yaml_documents`` reads YAML with the same limits.
"""

import json
from pathlib import Path
from typing import Any

MOST_CHARACTERS = 4 << 20
MOST_VALUES = 50_000
DEEPEST = 32
"""Nesting of lists and mappings."""
DOCUMENT = "(document)"
"""The key of an error that concerns the document as a whole."""


class DocumentError(ValueError):
    """Raised if a document cannot be read; names the value, what was expected and what was found."""

    def __init__(self, key: str, expected: str, found: str) -> None:
        self.key, self.expected, self.found = key, expected, found
        super().__init__(f"{key}: expected {expected}; found {found}")


def document_text(path: Path, kind: str) -> str:
    """The text of a file; ``kind`` ("a spec in YAML") describes it in errors. Raises DocumentError."""
    try:
        if not path.is_file():
            raise DocumentError("(file)", kind, "a folder" if path.is_dir() else "no such file")
        if path.stat().st_size > 4 * MOST_CHARACTERS:
            raise DocumentError("(file)", f"{kind} of at most {4 * MOST_CHARACTERS} bytes", f"{path.stat().st_size}")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError("(file)", "text in UTF-8", f"byte {error.object[error.start]:#04x}") from None
    except OSError as error:
        raise DocumentError("(file)", kind, f"{type(error).__name__}: {error.strerror or error}") from None


def read_json(text: str) -> Any:
    """Parse JSON into dict, list, str, int, float, bool or None.

    Raises JSONDecodeError if the text is not JSON, DocumentError if it breaks a limit or repeats a key.
    """
    check_length(text)
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise too_deep() from None
    except (json.JSONDecodeError, DocumentError):
        raise
    except ValueError as error:  # such as a number of 5,000 digits
        raise DocumentError(DOCUMENT, "JSON", str(error)) from None
    _check_size(document)
    return document


def check_length(text: str, most: int = MOST_CHARACTERS) -> None:
    """Raise DocumentError for a text of more than ``most`` characters."""
    if len(text) > most:
        raise DocumentError(DOCUMENT, f"at most {most} characters", str(len(text)))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DocumentError(DOCUMENT, "every key once", f"{key!r:.80} is given twice in one mapping")
        found[key] = value
    return found


def _check_size(document: Any) -> None:
    values, waiting = 0, [(document, 0)]
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if values > MOST_VALUES:
            raise too_many()
        if depth > DEEPEST:
            raise too_deep()
        if isinstance(value, str | dict):
            _check_texts([value] if isinstance(value, str) else list(value))
        if isinstance(value, dict | list):
            waiting += [(inner, depth + 1) for inner in (value.values() if isinstance(value, dict) else value)]


def _check_texts(texts: list[str]) -> None:
    """Lone UTF-16 surrogates are refused: they could not be written as UTF-8."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise DocumentError(DOCUMENT, "text", f"a lone UTF-16 surrogate in {text!r:.80}") from None


def too_many(most: int = MOST_VALUES) -> DocumentError:
    """The error for a document of more than ``most`` values."""
    return DocumentError(DOCUMENT, f"at most {most} values, with aliases expanded", "more")


def too_deep() -> DocumentError:
    """The error for lists and mappings that are nested too deeply."""
    return DocumentError(DOCUMENT, f"lists and mappings at most {DEEPEST} deep", "deeper ones")
