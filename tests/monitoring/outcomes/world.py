"""Served rows and outcomes by hand, written as a server and a push write them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from models import outcome_parts, served_parts
from models.impression_ids import slate_of
from models.outcome_parts import Outcome
from models.served import model_name
from models.served_rows import lines, row
from models.spec import Spec
from models.time_units import HOUR
from tests.factories import specs
from tests.monitoring.fakes import DOCUMENT

START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
DAY = "2026-01-01"


def spec_of(click: str | None = "2h", like: str | None = None, **impressions: Any) -> Spec:
    """Two tasks of these attributions."""
    tasks = {
        "click": {"label": "clicked", "primary": True, "attribution": click},
        "like": {"label": "liked", "attribution": like},
    }
    counters: dict[str, Any] = {}
    whole = {**DOCUMENT, "impressions": {**DOCUMENT["impressions"], **impressions}, "tasks": tasks}
    return specs.spec_of({**whole, "counters": counters})


def line(impression: str | None, served: int, **parts: Any) -> dict[str, Any]:
    """A line of the served log."""
    rank = 0 if impression is None else int(impression.rpartition("/")[2])
    number = 0 if impression is None else int(slate_of(impression).rpartition("/")[2])
    whole = {
        **{"served": served, "request": "mine", "slate": number, "time": served, "as_of": served - 1, "member": 1},
        **{"member_cold": False, "surface": "feed", "model": model_name(spec_of()), "model_version": "4"},
        **{"fallback": False, "stale": [], "rank": rank, "impression": impression, "item": 7, "cold": False},
        **{"capped": False, "score": 0.5, "propensity": 1.0, "adjustments": []},
        "probabilities": {"click": 0.25, "like": 0.5},
        "features": {"hour": 3.5, "kind": "a"},
    }
    return {**whole, **parts}


def write_lines(folder: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A folder of the lines, one file a day."""
    folder.mkdir(exist_ok=True)
    for one in rows:
        with (folder / f"{outcome_parts.day_of(one['served'])}.jsonl").open("ab") as stream:
            stream.write(b"\n" + orjson.dumps(one) + b"\n")
    return folder


def write_parts(address: str, rows: Iterable[dict[str, Any]], name: str = "part") -> str:
    """The parts of the lines, as a collector writes them."""
    served_parts.write(address, name, map(row, lines(map(orjson.dumps, rows))))
    return address


def write_outcomes(address: str, outcomes: Iterable[Outcome], name: str = "part") -> str:
    """The parts of these outcomes."""
    outcome_parts.write(address, name, outcomes)
    return address


def outcome(impression: str, minutes: float, value: int = 1, task: str = "click", after: int = 1) -> Outcome:
    """An outcome so many minutes after START, received ``after`` microseconds later."""
    happened = START + int(minutes * HOUR / 60)
    return Outcome(impression, task, value, happened, happened + after)


def joined(folder: Path, day: str = DAY) -> list[dict[str, Any]]:
    """The joined rows of a day."""
    found: list[dict[str, Any]] = pq.read_table(folder / f"day={day}.parquet", partitioning=None).to_pylist()
    return found
