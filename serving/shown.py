"""What a stranger sent, as an error, a header or a log may repeat it: short and printable.

Whatever comes from outside (names, values, keys, headers, paths) goes through ``shown`` or ``named`` where a message
is made of it; ``reason`` is the last look at a message on its way out, whoever made it.
"""

_CHARACTERS = 60
"""Of one thing."""
_REASON = 400
"""Of a whole message: as an HTTP/2 header, percent-encoded, it stays far below what clients and proxies take."""


def shown(value: object) -> str:
    """A value as Python writes it, cut off; of a collection the kind alone."""
    if isinstance(value, str | bytes):
        return _cut(repr(value[: _CHARACTERS + 1]))
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**_CHARACTERS:  # its text may take long, or be refused by Python
        return "a whole number that is too large"
    return _cut(repr(value)) if isinstance(value, int | float | None) else type(value).__name__


def named(text: str) -> str:
    """A name without quotes, as a part of a path."""
    return _cut(repr(text[: _CHARACTERS + 1])[1:-1])


def reason(message: str) -> str:
    """A message as it may leave the server, and be written to a log: one line of printable characters."""
    kept = message[:_REASON]
    if not kept.isprintable():
        kept = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in kept)[:_REASON]
    return kept if len(message) <= _REASON else kept[: _REASON - 3] + "..."


def _cut(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[: _CHARACTERS - 3] + "..."
