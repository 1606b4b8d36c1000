"""Files as addresses and back: what a path may hold (``%20``, ``#``, ``?``, spaces) has to survive both ways."""

from pathlib import Path
from urllib.parse import quote, unquote

_SQLITE = "sqlite:///"


def sqlite_address(file: Path) -> str:
    """The address of an SQLite database for SQLAlchemy (MLflow, Feast), which decodes percent signs."""
    return _SQLITE + quote(str(Path(file).resolve()))


def sqlite_file(address: str, beside: Path = Path()) -> Path | None:
    """The file of such an address, absolute; a relative one lies ``beside``. None for a server."""
    name = unquote(address.removeprefix(_SQLITE).partition("?")[0])
    return (beside / name).resolve() if address.startswith(_SQLITE) and name else None
