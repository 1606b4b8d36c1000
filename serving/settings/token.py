"""API token: optional, read from the environment or a file, never from a command line."""

import hmac
import logging
import os
from pathlib import Path

from serving.errors import EndpointError, RefusalError

VARIABLE = "HELIOGRAPH_TOKEN"
_MIN_CHARACTERS = 16
_logger = logging.getLogger("heliograph")


def read_token(file: str = "") -> str | None:
    """The token of the environment, else the content of ``file``, else None: the server requires no token.

    Raises EndpointError for a file that cannot be read or is empty, and for a token shorter than 16 ASCII characters. A
    file that other users of the machine can read is accepted with a warning: a mounted secret may be one.
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
                "token: expected a file that only its owner can read; found mode %03o. Run: chmod 600 %s", mode, file
            )
    if token and (len(token) < _MIN_CHARACTERS or not token.isascii()):
        raise EndpointError(f"token: expected at least {_MIN_CHARACTERS} ASCII characters; found another")
    return token or None


def authorized(header: str | bytes | None, token: str | None) -> bool:
    """Whether an ``authorization: Bearer ...`` header holds the token, compared in constant time."""
    if token is None:
        return True
    given = header if isinstance(header, bytes) else (header or "").encode("utf-8", "surrogateescape")
    scheme, _, text = given.partition(b" ")
    return hmac.compare_digest(text.strip(), token.encode()) and scheme.lower() == b"bearer"


def check_token(headers: list[str] | list[bytes], token: str | None) -> None:
    """Raise RefusalError (401) unless there is no token, or exactly one ``authorization`` header that holds it."""
    if not authorized(headers[0] if len(headers) == 1 else None, token):
        raise RefusalError(401, "expected the token of this server", {"www-authenticate": "Bearer"})
