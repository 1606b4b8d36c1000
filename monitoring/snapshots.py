"""Evidently's workspace: one snapshot of drift a day, shown over time by ``evidently ui --workspace FOLDER``."""

from datetime import date, datetime, time
from pathlib import Path
from typing import Any, NamedTuple


class SnapshotPlace(NamedTuple):
    """Where a day's snapshot is kept."""

    workspace: Path
    """Folder of the workspace; created where it is missing."""
    product: str
    """The project in it."""
    day: date

    @property
    def moment(self) -> datetime:
        """The day's start, as Evidently orders snapshots."""
        return datetime.combine(self.day, time())


def keep_snapshot(place: SnapshotPlace, run: Any) -> None:
    """Keep a run of Evidently as the day's snapshot; an earlier one of that day is replaced."""
    from evidently.ui.workspace import Workspace

    place.workspace.mkdir(parents=True, exist_ok=True)
    workspace = Workspace.create(str(place.workspace))
    found = workspace.search_project(place.product)
    project = found[0] if found else workspace.create_project(place.product)
    earlier = workspace.list_runs(project.id)
    workspace.add_run(project.id, run, name=place.day.isoformat())
    for snapshot in earlier:
        if workspace.get_run(project.id, snapshot).name == place.day.isoformat():
            workspace.delete_run(project.id, snapshot)
