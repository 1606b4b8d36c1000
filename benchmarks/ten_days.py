"""Ten simulated days: every day new logs arrive and the training pipeline runs, on windows that end at the newest day.

Some days' runs are killed first, at different steps, and the same command is run again; on two days `refresh` and
`monitoring` run as well. Real commands, one state folder, the tiny world; about ten minutes on two cores. Bars:

- each day's windows end a day later;
- the tables that a run ingested incrementally equal, digest for digest, those of an ingest of all files;
- the champion is the version that the gate promoted last, and a kill, a refresh or a monitoring run changes nothing;
- the endpoint serves the champion, with vectors that know all data of the day;
- `python -m pipelines history` shows every run, and each killed one as interrupted.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from benchmarks.table import show
from feature_repo.applied import CONFIG
from feature_repo.slots import pushed_until
from feature_repo.sources import end_of_data, read_manifest
from feature_repo.sources.ingest import ingest
from feature_repo.sources.professional import simulated
from feature_repo.sources.world_parts import write_parts
from feature_repo.store import open_notes, project_of
from models.addresses import sqlite_address
from models.spec import Spec, parse_spec
from serving.deployment.endpoint import served_versions
from serving.versions.registry import Registry, model_name

ROOT = Path(__file__).resolve().parent.parent
FIRST, DAYS = date(2026, 3, 2), 10
LENGTHS = {"graph": 20, "train": 9, "validate": 3, "gate": 3, "test": 3}
KILLED = {1: "  table members", 4: "train: started", 7: "register: done"}
"""By day: the line of output at which the day's first run is killed."""
WATCHED = (3, 8)
"""Days on which refresh and monitoring run too."""


def spec() -> Spec:
    """The tiny world with windows that roll, a small model and a gate that can both promote and hold."""
    document = yaml.safe_load((ROOT / "configs" / "professional.yaml").read_text(encoding="utf-8"))
    document["source"]["options"] = {"size": "tiny", "seed": 7, "start": FIRST.isoformat(), "days": 60}
    document["windows"] = {"end": "latest", **{name: {"days": days} for name, days in LENGTHS.items()}}
    document["model"] = {"width": 16, "graph_tokens": 2, "activities": 8}
    document["training"] = {"epochs": 1}
    wide = {"ece": 1.0, "mean_ratio": [0.001, 1000.0], "surface_ratio": [0.001, 1000.0]}
    document["gate"] = {"margin": 0.03, "floor_margin": 0.45, "other_margin": 0.45, "bootstraps": 50, **wide}
    return parse_spec(json.dumps(document), "ten_days")


@dataclass
class Product:
    """A state folder with the raw data beside it, and the commands over them."""

    spec: Spec
    folder: Path

    def __post_init__(self) -> None:
        self.state, self.raw = self.folder / "state", self.folder / "raw"
        self.file = self.folder / "spec.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.file.write_text(self.spec.model_dump_json(by_alias=True), encoding="utf-8")
        self.registry = Registry(sqlite_address(self.state / "mlflow" / "mlflow.db"))

    def command(self, pipeline: str, *options: str) -> list[str]:
        """The command that runs a pipeline."""
        given = ["--spec", str(self.file), "--data", str(self.raw), "--state", str(self.state), *options]
        return [sys.executable, "-m", "pipelines", "local", "--pipeline", pipeline, *given]

    def run(self, pipeline: str, *options: str) -> float:
        """Run a pipeline to its end; return the seconds. Raises RuntimeError with the output if it fails."""
        started = time.monotonic()
        done = subprocess.run(self.command(pipeline, *options), cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{pipeline} failed:\n{done.stdout[-5000:]}{done.stderr[-5000:]}")
        return time.monotonic() - started

    def kill_at(self, line: str) -> None:
        """Start the training pipeline, and kill it once it prints ``line``; its components end with it."""
        with subprocess.Popen(
            self.command("training"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as runner:
            assert runner.stdout is not None
            if not any(printed.startswith(line) for printed in runner.stdout):
                raise RuntimeError(f"the run ended before {line!r}")
            runner.send_signal(signal.SIGKILL)

    def champion(self) -> str | None:
        """The champion's version; None before the first run."""
        return self.registry.champion(model_name(self.spec)) if self.state.exists() else None

    def history_command(self) -> list[str]:
        """The command that shows what ran."""
        return [sys.executable, "-m", "pipelines", "history", "--state", str(self.state)]

    def history(self) -> list[dict[str, Any]]:
        """What `pipelines history` shows."""
        done = subprocess.run([*self.history_command(), "--json"], cwd=ROOT, capture_output=True, text=True, check=True)
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    def tables(self) -> Path:
        """The tables that the newest run ingested."""
        return max(self.state.glob("pipeline/*/ingest/tables"), key=lambda path: path.stat().st_mtime)


@dataclass
class Day:
    """What was found on one day."""

    end: date
    rolled: bool
    equal: bool
    by_the_gate: bool
    unchanged: bool
    served: bool


def one_day(product: Product, number: int, world: dict[str, Any]) -> Day:
    """Let a day's logs arrive, run, and look.

    Outcomes take two hours, so that the newest settled day is the day before.
    """
    today = FIRST + timedelta(days=sum(LENGTHS.values()) + number)
    end = today - timedelta(days=1)
    write_parts(product.spec, world, product.raw, FIRST, today)
    before = product.champion()
    if number in KILLED:
        product.kill_at(KILLED[number])
    unchanged = product.champion() == before
    seconds = product.run("training")
    run, tables = product.history()[-1], product.tables()
    with tempfile.TemporaryDirectory() as scratch:
        full = ingest(product.spec, product.raw, Path(scratch) / "tables")
    champion = product.champion()
    decided = run["version"] if run["decision"] == "promote" else before
    served = served_versions(product.state) == ({champion} if champion else set())
    if champion and champion != before:
        known = pushed_until(open_notes(CONFIG, product.state, project_of(product.spec.name)), champion)
        served &= product.spec.midnight(today) < known <= end_of_data(tables)
    day = Day(
        end=end,
        rolled=run["windows"]["end"] == end.isoformat(),
        equal=read_manifest(tables) == full,
        by_the_gate=champion == decided,
        unchanged=unchanged,
        served=served,
    )
    if number in WATCHED:
        for pipeline in ("refresh", "monitoring"):
            product.run(pipeline)
            day.rolled &= product.history()[-1]["windows"]["end"] == end.isoformat()
            day.unchanged &= product.champion() == champion
    killed = f", killed at {KILLED[number]!r} first" if number in KILLED else ""
    print(f"{end}: {run['decision']} {run['version']}, champion {champion}, {seconds:.0f} s{killed}", flush=True)
    return day


@contextmanager
def _product(folder: Path | None) -> Iterator[Product]:
    with tempfile.TemporaryDirectory() as scratch:
        product = Product(spec(), folder or Path(scratch))
        try:
            yield product
        finally:
            down = [sys.executable, "-m", "serving", "down", "--state", str(product.state)]
            subprocess.run(down, cwd=ROOT, check=False, capture_output=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the days; return 1 where a bar does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ten_days", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--days", type=int, default=DAYS, choices=range(1, DAYS + 1), metavar=f"1..{DAYS}")
    parser.add_argument("--folder", type=Path, help="keep raw data and state here (default: a temporary folder)")
    options = parser.parse_args(argv)
    if options.folder is not None:
        if options.folder.exists() and any(options.folder.iterdir()):
            parser.error(f"--folder: expected a new or empty folder; found files in {options.folder}")
        options.folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with _product(options.folder) as product:
        world = simulated(product.spec)
        days = [one_day(product, number, world) for number in range(options.days)]
        past = product.history()
        subprocess.run(
            [sys.executable, "-m", "pipelines", "history", "--state", str(product.state)], cwd=ROOT, check=True
        )
    kills = sum(number < options.days for number in KILLED)
    trained = [run["outcome"] for run in past if run["pipeline"] == "training"]
    decisions = [run["decision"] for run in past if run["outcome"] == "ok"]
    bars = {
        "each_days_windows_end_a_day_later": all(day.rolled for day in days),
        "incremental_ingest_equals_a_full_one": all(day.equal for day in days),
        "the_champion_changes_by_the_gate_only": all(day.by_the_gate and day.unchanged for day in days),
        "the_champion_serves_and_knows_the_days_data": all(day.served for day in days),
        "history_shows_every_run": (trained.count("ok"), trained.count("interrupted")) == (len(days), kills),
    }
    figures: dict[str, float | int | str] = {"days": len(days), "killed": kills}
    figures |= {"promoted": decisions.count("promote"), "held": decisions.count("hold")}
    figures |= {"seconds": time.monotonic() - started}
    return show("ten_days", figures, bars)


if __name__ == "__main__":
    sys.exit(main())
