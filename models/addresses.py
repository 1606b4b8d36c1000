"""Files as addresses and back: what a path may hold (``%20``, ``#``, ``?``, spaces) has to survive both ways."""

from pathlib import Path
from urllib.parse import unquote

_SQLITE = "sqlite:///"
_CODES = {"%": "%25", "?": "%3F", "#": "%23"}
"""Nothing more: MLflow makes an empty folder of the name as the address spells it."""


def sqlite_address(file: Path) -> str:
    """The address of an SQLite database for SQLAlchemy (MLflow, Feast), which decodes percent signs."""
    path = str(Path(file).resolve())
    return _SQLITE + "".join(_CODES.get(letter, letter) for letter in path)


def sqlite_file(address: str, beside: Path = Path()) -> Path | None:
    """The file of such an address, absolute; a relative one lies ``beside``. None for a server."""
    name = unquote(address.removeprefix(_SQLITE).partition("?")[0])
    return (beside / name).resolve() if address.startswith(_SQLITE) and name else None
