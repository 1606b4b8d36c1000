"""The checks that every HTTP body with a document goes through, whatever the server."""

from typing import Any

import orjson

from serving.errors import RefusalError

JSON, BINARY = "application/json", "application/octet-stream"


def check_document(content_type: str, body: bytes, json_length: bytes | None = None) -> dict[str, Any]:
    """The JSON object in a body. Raises RefusalError.

    ``content_type``: as the header says. ``json_length``: the header of the v2 protocol's binary form, None where that
    form is not spoken; the object is then the body's first so many bytes.
    """
    kind = content_type.split(";")[0].strip().lower()
    if kind == BINARY and json_length is not None:
        if not json_length.isdigit() or int(json_length[:19]) > len(body):
            raise RefusalError(400, "inference-header-content-length: expected the length of the JSON part")
        body = body[: int(json_length)]
    elif kind != JSON:
        raise RefusalError(400, f"content-type: expected {JSON}; found {kind[:60] or 'none'}")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusalError(400, f"body: expected JSON in UTF-8; found {str(error)[:100]}") from None
    if not isinstance(document, dict):
        raise RefusalError(400, f"body: expected an object; found {type(document).__name__}")
    return document
