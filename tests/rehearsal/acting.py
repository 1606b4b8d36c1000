"""Scenario 5: a verdict of the monitors, on which the pipeline act acts under its own ServiceAccount."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from models.spec import Spec
from monitoring.verdict import State
from monitoring.verdicts import write_verdict
from tests.monitoring.verdicts import verdict
from tests.rehearsal.rehearse import Rehearsal
from tests.rehearsal.setting import STORAGE


def acting(at: Rehearsal, spec: Spec, champion: str, previous: str) -> None:
    """A verdict to roll back is acted on once, however often the pipeline runs."""
    at.table.run("5 a verdict", lambda: _judged(at, spec, champion))
    for name in ("5 act", "5 act again"):
        at.pipeline(name, spec, "act", "--for-real")
        at.table.run(f"{name}: version {previous} serves", lambda: at.alias(spec, "champion", previous), name)


def _judged(at: Rehearsal, spec: Spec, champion: str) -> str:
    """Store the verdict of yesterday where the pipeline monitoring would."""
    day = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    found = verdict(State.ROLL_BACK, day, {"champion": champion})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(write_verdict(folder, spec.name, found))
        place = path.relative_to(folder).as_posix()
        at.setting.pipelines.world.storage.store(path, f"{STORAGE}/{place}")
    return f"{day}: {found.state.value}"
