"""The option --data: a folder on this machine, or an address in object storage."""

from pathlib import Path

from models.storage import REMOTE, exists, is_remote
from models.system import one_line
from pipelines.errors import RunError

DATA_HELP = "raw data, if the adapter needs some: a folder, or an address such as s3://bucket/folder"


def data_address(given: str | None) -> str:
    """The raw data as components take it: an absolute path or an address; empty for none.

    Raises RunError if there is no such folder.
    """
    if not given:
        return ""
    if is_remote(given):
        _check(given)
        return given
    folder = Path(given.removeprefix("file://"))
    if not folder.is_dir():
        raise RunError(
            f"--data: expected a folder with the raw data, or its address ({', '.join(REMOTE)}); found no folder at "
            f"{given}"
        )
    return str(folder.resolve())


def _check(address: str) -> None:
    """Raise RunError unless there is something at the address."""
    try:
        found = exists(address)
    except (OSError, ValueError) as error:
        raise RunError(f"--data: {one_line(error)}") from None
    if not found:
        raise RunError(f"--data: expected a folder with the raw data; found nothing at {address}. Check the address")
