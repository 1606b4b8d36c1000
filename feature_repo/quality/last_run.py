"""The last good materialize run of each view: `state/feast/quality/<view>.json`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from feature_repo.quality.profile import Profile
from models.files import write_text


class LastRun(NamedTuple):
    """A view's last good materialize run."""

    until: int
    """The run's bound in microseconds UTC, exclusive: what had expired by then stays out of earlier runs."""
    created: int | None
    """The latest created time that it saw, in microseconds UTC; None if the view has no created column."""
    columns: list[str]
    """Names and types of a row's columns. Rows with other columns read as missing."""
    profile: Profile
    """Profiles of the features with a `drift` expectation."""
    seen: int | None = None
    """Just after the newest event time that the run could see, in microseconds UTC: the watermark of event times. None
    if there was no row, and in notes of older releases."""


def read_last_run(state: Path | None, view: str) -> LastRun | None:
    """The last run of a view; None if there was none, or its file cannot be read."""
    if state is None or not _file(state, view).is_file():
        return None
    try:
        return LastRun(**json.loads(_file(state, view).read_text(encoding="utf-8")))
    except (ValueError, TypeError):  # written by another release: the next run starts from scratch
        return None


def last_seen(state: Path) -> int:
    """Just after the newest event time that the last runs of all views saw, in microseconds UTC; 0 if there is none."""
    runs = [read_last_run(state, file.stem) for file in _folder(state).glob("*.json")]
    return max((run.seen for run in runs if run is not None and run.seen is not None), default=0)


def write_last_run(state: Path, view: str, run: LastRun) -> None:
    """Note a good run, atomically."""
    write_text(_file(state, view), json.dumps(run._asdict(), indent=1, allow_nan=False) + "\n")


def forget(state: Path, views: Iterable[str] | None = None) -> None:
    """Forget the last runs of these views (None = all), whose online rows were deleted."""
    files = _folder(state).glob("*.json") if views is None else [_file(state, view) for view in views]
    for file in files:
        file.unlink(missing_ok=True)


def _folder(state: Path) -> Path:
    return state / "feast" / "quality"


def _file(state: Path, view: str) -> Path:
    return _folder(state) / f"{view}.json"
