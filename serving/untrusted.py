"""Untrusted values in messages: shortened and made printable before an error, a header or a log repeats them.

Names, values, keys, headers and paths of a request go through ``quoted`` or ``escaped`` when a message is built;
``safe_message`` is applied to every message that leaves the server.
"""

_VALUE_CHARACTERS = 60
_MESSAGE_CHARACTERS = 400
"""Percent-encoded in an HTTP/2 header, this is far below what clients and proxies accept."""


def quoted(value: object) -> str:
    """A value as Python writes it, cut to 60 characters; for a list or object only its kind."""
    if isinstance(value, str | bytes):
        return _cut(repr(value[: _VALUE_CHARACTERS + 1]))
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**_VALUE_CHARACTERS:  # Python may refuse to format it
        return "a whole number that is too large"
    return _cut(repr(value)) if isinstance(value, int | float | None) else type(value).__name__


def escaped(text: str) -> str:
    """A name without quotes, cut to 60 characters, such as one element of a field's path."""
    return _cut(repr(text[: _VALUE_CHARACTERS + 1])[1:-1])


def safe_message(message: str) -> str:
    """A message as one line of at most 400 printable characters."""
    kept = message[:_MESSAGE_CHARACTERS]
    if not kept.isprintable():
        kept = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in kept)[:_MESSAGE_CHARACTERS]
    return kept if len(message) <= _MESSAGE_CHARACTERS else kept[: _MESSAGE_CHARACTERS - 3] + "..."


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_CHARACTERS else text[: _VALUE_CHARACTERS - 3] + "..."
