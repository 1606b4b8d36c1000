"""Scenario 5: a training run whose pods are killed in the middle."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from models.spec import Spec
from tests.rehearsal import snapshots
from tests.rehearsal.engine import Engine
from tests.rehearsal.rehearse import Rehearsal
from tests.rehearsal.setting import STORAGE
from tests.rehearsal.table import expect

_PATIENCE = 120.0
"""Seconds that a pod may take until it can be killed."""


@dataclass
class Kills:
    """Kills the first pod of each task, once something is the case. ``done``: the tasks whose pod was killed."""

    engine: Engine
    when: Mapping[str, Callable[[], bool]]
    done: list[str] = field(default_factory=list)

    def __call__(self, task: str, attempt: int, container: str) -> None:
        """An attempt starts."""
        if attempt == 0 and task in self.when:
            threading.Thread(target=self._kill, args=(task, container), daemon=True).start()

    def _kill(self, task: str, container: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if self.when[task]() and self.engine.kill(container):
                self.done.append(task)
                return
            time.sleep(0.01)


def killed_pods(at: Rehearsal, spec: Spec) -> None:
    """Kill train after its first checkpoint, push-embeddings while it writes, deploy when the new version starts."""
    setting = at.setting
    trained = spec.model_copy(update={"training": replace(spec.training, epochs=6)})
    checkpoints, before = f"{STORAGE}/checkpoints/{spec.name}", len(setting.controller.every)
    kills = Kills(
        setting.engine,
        {
            "train": lambda: any("progress.json" in name for name in setting.objects(checkpoints)),
            "push-embeddings": lambda: snapshots.being_written(setting.services.online(), spec.name),
            "deploy": lambda: len(setting.controller.every) > before,
        },
    )
    name = "5 training, pods killed"
    setting.pipelines.started = kills
    run = at.pipeline(name, trained, "training", killed=tuple(kills.when))
    setting.pipelines.started = lambda *_: None

    def went_on() -> str:
        expect(sorted(kills.done) == sorted(kills.when), f"expected {sorted(kills.when)} killed; found {kills.done}")
        (again,) = [one for one in run.run.ended if one.task == "train"][1:]
        expect("continues from this copy" in again.printed(), "expected train to go on; found that it began anew")
        return f"{', '.join(kills.done)} were killed; train went on from its checkpoint"

    at.table.run("5 what was killed went on", went_on, name)
    at.table.run("5 the new version is the champion", lambda: at.alias(spec, "champion", "3"), name)
