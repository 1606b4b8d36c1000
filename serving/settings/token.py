"""The optional API token: who may ask. It comes from the environment or a file, never from a command line."""

import hmac
import logging
import os
from pathlib import Path

from serving.errors import EndpointError

VARIABLE = "HELIOGRAPH_TOKEN"
_SHORTEST = 16
_logger = logging.getLogger("heliograph")


def read_token(file: str = "") -> str | None:
    """The token of the environment, else the text of ``file``; None where neither is given: everybody may ask.

    Raises EndpointError where the file cannot be read, and for a token that is too short to be a secret. One that other
    users of the machine can read is taken with a warning: a mounted secret may be so.
    """
    token = os.environ.get(VARIABLE, "").strip()
    if not token and file:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise EndpointError(f"token: expected its text in {file}; found {type(error).__name__}") from None
        if not token:
            raise EndpointError(f"token: expected its text in {file}; found an empty file")
        if (mode := Path(file).stat().st_mode & 0o777) & 0o077:
            _logger.warning(
                "token: expected a file for its owner alone; found mode %03o. Run: chmod 600 %s", mode, file
            )
    if token and (len(token) < _SHORTEST or not token.isascii()):
        raise EndpointError(f"token: expected at least {_SHORTEST} ASCII characters; found another")
    return token or None


def authorised(header: str | bytes | None, token: str | None) -> bool:
    """Whether an ``authorization: Bearer ...`` header holds the token; the comparison takes the same time for any."""
    if token is None:
        return True
    given = header if isinstance(header, bytes) else (header or "").encode("utf-8", "surrogateescape")
    scheme, _, text = given.partition(b" ")
    return hmac.compare_digest(text.strip(), token.encode()) and scheme.lower() == b"bearer"
