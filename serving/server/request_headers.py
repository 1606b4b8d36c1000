"""Request headers with an effect of their own: the request id and the deadline."""

import re
import uuid
from collections.abc import Mapping

from serving.errors import RequestError
from serving.untrusted import quoted

REQUEST_ID = "x-request-id"
TIMEOUT = "x-request-timeout-ms"
_ID = re.compile(r"[!-~]{1,128}")
_MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def is_id(text: object) -> bool:
    """Whether a value may be returned and logged as a request id: up to 128 visible ASCII characters."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def request_id(headers: Mapping[str, str], given: str | None = None) -> str:
    """The header's id, else the body's (``given``), else a new UUID.

    Values that are no id (``is_id``) are ignored: no request fails because of its id.
    """
    for candidate in (headers.get(REQUEST_ID), given):
        if candidate is not None and is_id(candidate):
            return candidate
    return str(uuid.uuid4())


def deadline(headers: Mapping[str, str], most: float) -> float:
    """Seconds that the request may take: ``most``, or less if the header says so. Raises RequestError."""
    text = headers.get(TIMEOUT)
    if text is None:
        return most
    if not _MILLISECONDS.fullmatch(text):
        raise RequestError(f"{TIMEOUT}: expected whole milliseconds from 1 on; found {quoted(text)}")
    return min(most, int(text) / 1000)
