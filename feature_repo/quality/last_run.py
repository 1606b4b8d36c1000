"""The last good materialize run of each view: one note of the product's project."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from feature_repo.notes import Document, notes_of
from feature_repo.quality.profile import Profile

NOTE = "runs"


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
    if there was no row."""


def read_last_run(store: Any, view: str) -> LastRun | None:
    """The last run of a view; None if there was none. ``store`` is a FeatureStore or its notes."""
    return _run((notes_of(store).read(NOTE) or {}).get(view))


def last_seen(store: Any) -> int:
    """Just after the newest event time that the last runs of all views saw, in microseconds UTC; 0 if there is none."""
    runs = [_run(found) for found in (notes_of(store).read(NOTE) or {}).values()]
    return max((run.seen for run in runs if run is not None and run.seen is not None), default=0)


def write_last_run(store: Any, view: str, run: LastRun) -> None:
    """Note a good run."""
    notes_of(store).change(NOTE, lambda found: {**(found or {}), view: run._asdict()})


def forget(store: Any, views: Iterable[str] | None = None) -> None:
    """Forget the last runs of these views (None = all), whose online rows were deleted."""
    gone = None if views is None else set(views)

    def change(found: Document | None) -> Document | None:
        if not found:
            return None
        return {view: run for view, run in found.items() if gone is not None and view not in gone}

    notes_of(store).change(NOTE, change)


def _run(document: Any) -> LastRun | None:
    """None also for a note of another release: the next run starts from scratch."""
    try:
        return None if document is None else LastRun(**document)
    except TypeError:
        return None
