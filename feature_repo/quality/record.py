"""What is known of a view's last good materialisation: `state/feast/quality/<view>.json`."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from feature_repo.quality.profile import Profile


class Record(NamedTuple):
    """A view's last good materialisation."""

    until: int
    """Its bound in microseconds UTC, exclusive: the watermark of event times."""
    created: int | None
    """The latest created time that it saw in microseconds UTC, where the view has that column: of ingestion."""
    columns: list[str]
    """What a row held: names and types. A row of other columns reads as missing."""
    profile: Profile
    """How the features with a `drift` expectation were spread."""


def read_record(state: Path | None, view: str) -> Record | None:
    """The record of a view; None where it was never written, or what was noted cannot be read."""
    if state is None or not _file(state, view).is_file():
        return None
    try:
        return Record(**json.loads(_file(state, view).read_text(encoding="utf-8")))
    except (ValueError, TypeError):  # of another release: the next materialisation starts anew
        return None


def write_record(state: Path, view: str, record: Record) -> None:
    """Note a good materialisation, in one step."""
    file = _file(state, view)
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(record._asdict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    partial.replace(file)


def forget(state: Path, views: Iterable[str] | None = None) -> None:
    """The rows of these views (None = of all) are gone from the online store: nothing is known of them any longer."""
    files = _folder(state).glob("*.json") if views is None else [_file(state, view) for view in views]
    for file in files:
        file.unlink(missing_ok=True)


def _folder(state: Path) -> Path:
    return state / "feast" / "quality"


def _file(state: Path, view: str) -> Path:
    return _folder(state) / f"{view}.json"
