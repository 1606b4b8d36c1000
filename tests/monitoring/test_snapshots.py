"""Evidently's workspace has one snapshot a day, however often the monitor runs."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from models.spec import Feature
from monitoring.drift import drift
from monitoring.snapshots import SnapshotPlace


def test_a_day_has_one_snapshot_with_the_figures_of_all_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    before, now = (pd.DataFrame({"rate": random.normal(shift, 1, 200)}) for shift in (0, 1))
    for day, current in ((1, before), (1, now), (2, before)):
        place = SnapshotPlace(tmp_path / "evidently", "small", date(2026, 1, day))
        found = drift(before, current, [Feature("rate", "number", 1)], tmp_path, place)
        if current is now:
            score = found["columns"]["rate"]["score"]
    from evidently.ui.workspace import Workspace

    workspace = Workspace(str(tmp_path / "evidently"))
    (project,) = workspace.search_project("small")
    runs = [workspace.get_run(project.id, number) for number in workspace.list_runs(project.id)]
    assert sorted(run.name for run in runs) == ["2026-01-01", "2026-01-02"]
    replaced = next(run for run in runs if run.name == "2026-01-01")
    assert replaced.timestamp.date() == date(2026, 1, 1)
    assert score in [getattr(result, "value", None) for result in replaced.metric_results.values()]
