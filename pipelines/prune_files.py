"""Files that pruning removes: of old runs in a state folder, of fits that ended, and what killed processes left."""

import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from models.clock import now
from models.storage import files_below, is_remote, join, names, remove
from models.time_units import DAY, HOUR

_DRAFT = re.compile(r"\.(?P<name>.+)\.(?:fresh|previous|scratch|[a-z0-9_]{8})")
"""Names of unfinished files and folders (``models.files``, ``models.graph.build``)."""
_DIGEST = re.compile(r"[0-9a-f]{32,}")


@dataclass(frozen=True)
class OldFiles:
    """A file or a folder at an address."""

    kind: str
    address: str
    size: int
    """In bytes."""

    def remove(self) -> None:
        """Remove it; a folder on this machine leaves its place first, so that nobody finds a part of it there."""
        path = Path(self.address)
        if is_remote(self.address):
            remove(self.address)
        elif not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
        else:
            if not _DRAFT.fullmatch(path.name):
                with suppress(FileNotFoundError):
                    shutil.rmtree(path.with_name(f".{path.name}.scratch"))
                path = path.rename(path.with_name(f".{path.name}.scratch"))
            shutil.rmtree(path, ignore_errors=True)


def old_state_files(
    state: Path, before: int, runs: Collection[str], tables: Collection[str], served: Collection[str]
) -> list[OldFiles]:
    """Files of a state folder that did not change since a time (microseconds UTC) and that nothing names.

    ``runs``: names of pipeline runs whose reports and logs stay; ``tables``: addresses of applied tables; ``served``:
    versions whose logs stay. Scratch is at least an hour old.
    """
    found = [_old("report and log", path, before) for path in _folders(state / "runs") if path.name not in runs]
    for path in _folders(state / "pipeline"):
        if not any(Path(one).is_relative_to(path.resolve()) for one in tables):
            found.append(_old("artifacts", path, before))
    for path in sorted((state / "endpoint").glob("version-*.log")):
        if path.stem.removeprefix("version-") not in served:
            found.append(_old("log", path, before))
    found += [_old("scratch", path, min(before, now() - HOUR)) for path in _drafts(state)]
    return [one for one in found if one is not None]


def old_checkpoints(storage: str, product: str, before: int) -> list[OldFiles]:
    """Checkpoints of fits that did not go on since a time, microseconds UTC: one that ends well removes its own.

    The checkpoint of one fit goes as a whole: parts of one that goes on may be old.
    """
    found: list[OldFiles] = []
    for name in (product, f"{product}-refit"):
        place = join(storage, "checkpoints", name)
        fits = [join(place, one) for one in names(place) if _DIGEST.fullmatch(one)]
        for one in fits or ([place] if names(place) else []):
            found += _old_folder("checkpoint", one, before)
    return found


def old_jobs(storage: str, product: str, before: int) -> list[OldFiles]:
    """Folders of TrainJobs that were cancelled or failed: no file has changed since a time (microseconds UTC), nor for
    a week, which is longer than a training may take: its inputs do not change.
    """
    place, before = join(storage, "jobs", product), min(before, now() - 7 * DAY)
    return [old for name in names(place) for old in _old_folder("job", join(place, name), before)]


def _old_folder(kind: str, address: str, before: int) -> list[OldFiles]:
    """The folder, unless one of its files has changed since, or it has gone meanwhile."""
    try:
        files = files_below(address)
    except FileNotFoundError:
        return []
    if any(changed >= before * 1000 for _, changed in files.values()):
        return []
    return [OldFiles(kind, address, sum(size for size, _ in files.values()))]


def _old(kind: str, path: Path, before: int) -> OldFiles | None:
    """The files of a path, unless one of them has changed since."""
    inside = [path, *path.rglob("*")] if path.is_dir() and not path.is_symlink() else [path]
    size = 0
    for file in inside:
        try:
            state = file.lstat()
        except FileNotFoundError:
            continue
        if state.st_mtime_ns >= before * 1000:
            return None
        size += 0 if file.is_dir() else state.st_size
    return OldFiles(kind, str(path.absolute()), size)


def _folders(folder: Path) -> list[Path]:
    found = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in found if path.is_dir() and not _DRAFT.fullmatch(path.name))


def _drafts(folder: Path) -> Iterator[Path]:
    """Unfinished files and folders, not those in them. The former content of a folder that is missing stays."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _DRAFT.fullmatch(path.name)
        if match is None:
            if path.is_dir() and not path.is_symlink():
                yield from _drafts(path)
        elif not path.name.endswith(".previous") or path.with_name(match["name"]).exists():
            yield path
