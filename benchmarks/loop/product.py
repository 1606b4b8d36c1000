"""The product of the loop: a small model with windows that roll, in a state folder, under a simulated clock."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import date, timedelta
from http.client import HTTPConnection
from io import StringIO
from pathlib import Path
from typing import Any

import yaml

from benchmarks.ten_days import ROOT, Product
from feature_repo.commands import main as feature_repo
from models.clock import SIMULATED
from models.files import write_text
from models.spec import Spec, parse_spec
from models.time_units import SECOND, iso
from serving.deployment.endpoint_processes import EndpointProcesses
from serving.versions.registry import model_name

START = date(2026, 3, 2)
"""The simulation's first day."""
CANARY_PERCENT = 50
LENGTHS = {"graph": 12, "train": 6, "validate": 1, "gate": 2, "test": 1}
"""Days of the windows; what is trained on ends three days ago, or one with the refit."""


def spec() -> Spec:
    """The network's spec with short windows that roll, a small model, and one notification shown of each slate."""
    document = yaml.safe_load((ROOT / "configs" / "professional.yaml").read_text(encoding="utf-8"))
    document["source"]["options"] = {"size": "tiny", "seed": 7, "start": START.isoformat(), "days": 60}
    document["windows"] = {"end": "latest", **{name: {"days": days} for name, days in LENGTHS.items()}}
    document["model"] = {"width": 16, "graph_tokens": 2, "activities": 8}
    document["training"] = {"epochs": 3, "batch_size": 256, "learning_rate": 0.008}
    document["impressions"]["context"] = {"channel_kind": "category"}  # of the slate: the app that the member looks at
    wide = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}
    document["gate"] = {
        **{"margin": 0.05, "floor_margin": 0.45, "other_margin": 0.45, "bootstraps": 50, "refit": True},
        **wide,
    }
    document["counters"]["member_moment"] = {"keys": ["member"], "window": "10m", "rates": []}
    document["serving"] = {
        "frequency_cap": {"counter": "member_moment", "most": 1},  # the first of a slate is shown, the others are not
        "max_age": {"vectors": "60h", "counters": "48h"},
    }
    document["monitoring"] = {"act": "on", "canary_percent": CANARY_PERCENT}
    return parse_spec(json.dumps(document), "loop")


@dataclass
class LoopProduct(Product):
    """A product whose processes all read the clock of the simulation."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.midnight = self.spec.midnight(START)
        self._clock, self._rows = self.folder / "clock", self.folder / "rows.jsonl"
        os.environ[SIMULATED] = str(self._clock)

    def set_clock(self, second: int) -> None:
        """Let the clock of all processes stand at a second of the simulation."""
        write_text(self._clock, iso(self.microseconds(second)))

    def microseconds(self, second: int) -> int:
        """A second of the simulation as microseconds UTC."""
        return self.midnight + second * SECOND

    def date(self, day: int) -> str:
        """A day of the simulation, ISO-8601."""
        return (START + timedelta(days=day)).isoformat()

    def push_outcomes(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """`python -m feature_repo push outcomes`, in this process; return what it printed. Raises RuntimeError."""
        return self._feature_repo(rows, "push", "outcomes", str(self._rows))

    def push(self, table: str, rows: Sequence[Mapping[str, Any]]) -> str:
        """`python -m feature_repo push`, in this process; return what it printed. Raises RuntimeError."""
        return self._feature_repo(rows, "push", "--table", table, "--file", str(self._rows))

    def _feature_repo(self, rows: Sequence[Mapping[str, Any]], *arguments: str) -> str:
        """Run a command on a file of rows; nothing for no rows."""
        if not rows:
            return ""
        self._rows.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with redirect_stdout(StringIO()) as printed:
            status = feature_repo([*arguments, "--state", str(self.state)])
        if status:
            raise RuntimeError(f"{' '.join(arguments)} of {len(rows)} rows: exit status {status}")
        return printed.getvalue()

    def serving(self, *arguments: str) -> str:
        """`python -m serving`; return what it printed. Raises RuntimeError with it if it fails."""
        command = [sys.executable, "-m", "serving", *arguments, "--state", str(self.state)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"serving {arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return done.stdout

    def limits(self) -> Path:
        """A file with limits that a busy machine keeps: the simulation's days are shorter than real ones."""
        path = self.folder / "limits.json"
        write_text(path, json.dumps({"store_seconds": 5.0, "deadline_seconds": 10.0, "wait_seconds": 10.0}))
        return path

    def versions(self) -> dict[str, int]:
        """Percent of the traffic by version that serves."""
        found = EndpointProcesses(self.state).current()
        return {} if found is None else {one.version: one.percent for one in found.workers}

    def roles(self) -> dict[str, str]:
        """The versions that serve, or did before, by role."""
        name = model_name(self.spec)
        of_role = {role: getattr(self.registry, role)(name) for role in ("champion", "canary", "previous")}
        return {role: version for role, version in of_role.items() if version is not None}

    def canary(self) -> str | None:
        """The canary's version; None where all traffic is the champion's."""
        found = EndpointProcesses(self.state).current()
        return found.canary.version if found is not None and found.canary is not None else None

    def rank(self, instances: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The endpoint's slates, by HTTP (v1). Raises RuntimeError for anything but 200."""
        found = EndpointProcesses(self.state).current()
        if found is None:
            raise RuntimeError(f"{self.state}: expected an endpoint; found none")
        connection = HTTPConnection("127.0.0.1", found.port, timeout=30)
        try:
            body, header = json.dumps({"instances": instances}), {"content-type": "application/json"}
            connection.request("POST", f"/v1/models/{found.name}:predict", body, header)
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"expected 200 for {len(instances)} slates; found {response.status}: {content[:400]!r}")
        slates: list[dict[str, Any]] = json.loads(content)["predictions"]
        return slates


@contextmanager
def served(folder: Path) -> Iterator[LoopProduct]:
    """The product in a folder; its endpoint is stopped afterwards, and the clock runs again."""
    before = os.environ.get(SIMULATED)
    product = LoopProduct(spec(), folder)
    try:
        yield product
    finally:
        down = [sys.executable, "-m", "serving", "down", "--state", str(product.state)]
        subprocess.run(down, cwd=ROOT, check=False, capture_output=True)
        if before is None:
            del os.environ[SIMULATED]
        else:
            os.environ[SIMULATED] = before
