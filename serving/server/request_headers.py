"""What the headers of a call say beside its body: who it is, and how long it may take."""

import re
import uuid
from collections.abc import Mapping

from serving.errors import RequestError
from serving.shown import shown

REQUEST_ID = "x-request-id"
TIMEOUT = "x-request-timeout-ms"
_ID = re.compile(r"[!-~]{1,128}")
_MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)


def is_id(text: object) -> bool:
    """Whether it may be answered and logged as it is: up to 128 visible ASCII characters."""
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def request_id(headers: Mapping[str, str], given: str | None = None) -> str:
    """The header's id, else the one ``given`` in the body, else a new one.

    One that is no id (``is_id``) is passed over: no request fails for its id.
    """
    for candidate in (headers.get(REQUEST_ID), given):
        if candidate is not None and is_id(candidate):
            return candidate
    return str(uuid.uuid4())


def deadline(headers: Mapping[str, str], most: float) -> float:
    """Seconds that the call may take: the server's ``most``, or fewer where the header says so. Raises RequestError."""
    text = headers.get(TIMEOUT)
    if text is None:
        return most
    if not _MILLISECONDS.fullmatch(text):
        raise RequestError(f"{TIMEOUT}: expected whole milliseconds from 1 on; found {shown(text)}")
    return min(most, int(text) / 1000)
