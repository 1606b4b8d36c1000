"""SQLite URLs from file paths and back, whatever characters the path holds (``%20``, ``#``, ``?``, spaces)."""

from pathlib import Path
from urllib.parse import unquote

_SQLITE = "sqlite:///"
_CODES = {"%": "%25", "?": "%3F", "#": "%23"}
"""Only these are encoded: MLflow creates an empty folder named like the path in the URL, still encoded."""


def sqlite_address(file: Path) -> str:
    """The SQLAlchemy URL of an SQLite database file (for MLflow and Feast); SQLAlchemy decodes percent signs."""
    path = str(Path(file).resolve())
    return _SQLITE + "".join(_CODES.get(letter, letter) for letter in path)


def sqlite_file(address: str, beside: Path = Path()) -> Path | None:
    """The absolute path of the file in such a URL; None for a database server.

    A relative path is resolved against the folder ``beside``.
    """
    name = unquote(address.removeprefix(_SQLITE).partition("?")[0])
    return (beside / name).resolve() if address.startswith(_SQLITE) and name else None
