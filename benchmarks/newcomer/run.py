"""One data set from its files to an answering endpoint, with the commands that a stranger types."""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.newcomer.data_sets import make, spec_file
from monitoring.evaluation import METRICS
from monitoring.predictions import FLOOR

ROOT = Path(__file__).resolve().parents[2]
QUERY = "Query the endpoint: "
_SECONDS = 900


@dataclass(frozen=True)
class Compared:
    """AUC of one task on the test window; the differences are paired, with two-sided 95 % intervals."""

    task: str
    rows: int
    positives: int
    auc: float | None
    trees: float | None
    popularity: float | None
    by: float | None
    """The candidate's minus the trees'."""
    low: float | None
    high: float | None

    @property
    def held(self) -> bool:
        """Whether the candidate is not below the trees' interval."""
        return self.high is not None and self.high >= 0


@dataclass
class Journey:
    """What a stranger found on the way."""

    name: str
    check_seconds: float = 0.0
    """Of the whole command, the faster of two: other work on the machine is not the command's."""
    train_seconds: float = 0.0
    """Of the pipeline `training`, to the endpoint."""
    decision: str = ""
    reasons: list[str] = field(default_factory=list)
    sentence: str = ""
    answered: bool = False
    same_keys: bool = False
    """Whether the answer has the request's own keys, of the same type: text stays text."""
    tasks: list[Compared] = field(default_factory=list)
    traceback: bool = False
    failed: str = ""
    """Of the command that failed: its name and the end of its output."""


def travel(name: str, folder: Path, seed: int) -> Journey:
    """Make a data set in a new folder, check it, train, ask the endpoint, and take it down."""
    data, state, found = make(name, folder / "data", seed), folder / "state", Journey(name)
    if not check(found, data):
        return found
    try:
        given = ["--spec", str(spec_file(name)), "--data", str(data), "--state", str(state)]
        run = ["local", "--pipeline", "training", *given]
        found.train_seconds, status, printed = _command(found, "pipelines", *run)
        if not status:
            _read(found, state)
            _ask(found, printed)
    finally:
        _command(found, "serving", "down", "--state", str(state))
        logs = [path.read_text(encoding="utf-8", errors="replace") for path in state.glob("runs/*/*.log")]
        found.traceback |= any("Traceback" in text for text in logs)
    return found


def check(found: Journey, data: Path) -> bool:
    """Run `check` twice; whether it found no error."""
    command = ("pipelines", "check", str(spec_file(found.name)), "--data", str(data))
    seconds, statuses, _ = zip(*(_command(found, *command) for _ in range(2)), strict=True)
    found.check_seconds = min(seconds)
    return not any(statuses)


def _command(found: Journey, *words: str) -> tuple[float, int, str]:
    """Run a command of ours; return its seconds, exit status and output. Notes a failure and a traceback."""
    started = time.monotonic()
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_SECONDS)
    printed = done.stdout + done.stderr
    found.traceback |= "Traceback" in printed
    if done.returncode and not found.failed:
        found.failed = f"{' '.join(words[:2])}: {printed[-2_000:]}"
    return time.monotonic() - started, done.returncode, printed


def _read(found: Journey, state: Path) -> None:
    """Read the verdict and the metrics of the only run."""
    (path,) = state.glob(f"pipeline/*/evaluate/*/{METRICS}")
    metrics = json.loads(path.read_text(encoding="utf-8"))
    found.sentence = (metrics.get("standing") or {}).get("sentence") or ""
    found.tasks = [compared(metrics, task) for task in metrics["tasks"]]
    _, status, printed = _command(found, "pipelines", "history", "--state", str(state), "--json")
    if not status:
        (run,) = json.loads(printed)
        found.decision, found.reasons = run["decision"] or "", run["reasons"]


def compared(metrics: Mapping[str, Any], task: str) -> Compared:
    """A task on the test window, out of a document of ``monitoring.measure``."""
    scores = metrics["windows"]["test"]["scores"]
    own, trees = scores["candidate"][task], scores.get(FLOOR, {}).get(task, {})
    ahead = trees.get("ahead", {}).get("auc", {})
    return Compared(
        task=task,
        rows=own["rows"],
        positives=own["positives"],
        auc=own["auc"],
        trees=trees.get("auc"),
        popularity=scores["popularity"][task]["auc"],
        by=ahead.get("by"),
        low=ahead.get("low"),
        high=ahead.get("high"),
    )


def _ask(found: Journey, printed: str) -> None:
    """Send the example request that the run printed."""
    lines = [line.removeprefix(QUERY) for line in printed.splitlines() if line.startswith(QUERY)]
    if not lines:
        return
    _, _, url, _, _, _, body = shlex.split(lines[-1])  # curl -s URL -H HEADER -d BODY
    request = Request(url, body.encode(), {"content-type": "application/json"})
    try:
        with urlopen(request, timeout=30) as response:
            (answer,) = json.load(response)["predictions"]
    except OSError as error:
        found.failed = f"{url}: {error}"
        return
    (asked,) = json.loads(body)["instances"]
    found.answered = not answer["fallback"] and all(entry["probabilities"] for entry in answer["slate"])
    found.same_keys = same_keys(asked, answer)


def same_keys(asked: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Whether member and items of an answer are those of the request: equal values of equal types, in any order."""
    ranked = [entry["item"] for entry in answer["slate"]]
    return _typed([asked["member"]]) == _typed([answer["member"]]) and _typed(asked["items"]) == _typed(ranked)


def _typed(keys: list[Any]) -> list[tuple[str, str]]:
    return sorted((type(key).__name__, str(key)) for key in keys)
