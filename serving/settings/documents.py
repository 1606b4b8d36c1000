"""Small settings documents in JSON, from a file that an option names or from a text, within the limits of documents."""

from pathlib import Path
from typing import Any

from models.documents import DocumentError, document_text, read_json
from serving.errors import EndpointError


def json_object(given: Path | str, source: str, example: str) -> dict[str, Any]:
    """The object of a JSON file (a Path) or of a JSON text; ``example``: one that would do.

    Raises EndpointError, which begins with ``source``, for a file that cannot be read and for anything but an object.
    """
    place = f" in {given}" if isinstance(given, Path) else ""
    try:
        document = read_json(document_text(given, "JSON") if isinstance(given, Path) else given)
    except DocumentError as error:
        raise EndpointError(f"{source}: expected {error.expected}{place}; found {error.found}.") from None
    except ValueError as error:
        raise EndpointError(f"{source}: expected JSON{place}; found none ({error}).") from None
    if not isinstance(document, dict):
        raise EndpointError(f"{source}: expected an object such as {example}{place}; found {document!r:.40}.")
    return document
