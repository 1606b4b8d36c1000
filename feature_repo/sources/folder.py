"""Writing a folder as a whole: readers see the old one or the new one, never half of one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``target`` that takes its place if the block ends without an error.

    What a killed run left beside the target is removed first (or put back, where it was killed between the two
    renames of a replacement). One writer at a time per target.
    """
    target = Path(target).absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    _recover(target)
    fresh = Path(tempfile.mkdtemp(prefix=_prefix(target, "writing"), dir=target.parent))
    fresh.chmod(0o755)
    try:
        yield fresh
        _swap(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _prefix(target: Path, state: str) -> str:
    return f".{target.name}.{state}-"


def _previous(target: Path) -> Path:
    return target.with_name(_prefix(target, "replaced") + "previous")


def _swap(fresh: Path, target: Path) -> None:
    previous = _previous(target)
    if target.exists():
        target.rename(previous)
    fresh.rename(target)
    shutil.rmtree(previous, ignore_errors=True)


def _recover(target: Path) -> None:
    previous = _previous(target)
    if previous.exists() and not target.exists():
        previous.rename(target)
    shutil.rmtree(previous, ignore_errors=True)
    prefix = _prefix(target, "writing")
    for leftover in target.parent.iterdir():
        if leftover.name.startswith(prefix):
            shutil.rmtree(leftover, ignore_errors=True)
