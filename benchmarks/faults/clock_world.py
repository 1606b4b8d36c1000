"""A product with a few rows in a folder, and all its inputs: ingestion, command line, Feast's feature server."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pandas as pd

from benchmarks.faults.fault import expect

_SPEC = """
name: clock
source: {adapter: fault_clock}
nodes:
  member: {key: member_id, views: {profile: {table: members, features: {age: number}}}}
  post: {key: post_id, key_type: string}
edges:
  clicked:
    table: impressions
    source: {node: member, column: member_id}
    target: {node: post, column: post_id}
    time: settled_time
    kind: engagement
    domain: feed
    filter: {clicked: [1]}
impressions:
  member: {node: member, column: member_id}
  item: {node: post, column: post_id}
  surfaces: [feed, email]
  outcomes: [clicked]
tasks: {click: {label: clicked, primary: true}}
counters: {by_member: {keys: [member], recency: true}, by_post: {keys: [item, surface]}}
windows: {start: 2026-01-01, graph: {days: 1}, train: {days: 1}, validate: {days: 1}, gate: {days: 1}, test: {days: 1}}
home_domain: feed
"""
_ROOT = Path(__file__).resolve().parents[2]
SECOND = 1_000_000
START = 1_767_225_600 * SECOND
"""2026-01-01."""
AHEAD = 3_786_912_000 * SECOND
"""2090-01-01."""
DAY = 86_400 * SECOND


def made_tables() -> dict[str, pd.DataFrame]:
    """The tables that the adapter reads."""
    number = np.arange(40)
    times = pd.Series(moments(START + number * DAY // 8))
    shown = {"impression_id": number, "member_id": number % 4, "post_id": [f"p{n % 5}" for n in number]}
    shown |= {"surface": "feed", "time": times, "settled_time": times + pd.Timedelta(minutes=1), "clicked": number % 2}
    members = {"member_id": np.arange(4), "valid_from": pd.Series(moments(np.full(4, START))), "age": 30.0}
    return {"impressions": pd.DataFrame(shown), "members": pd.DataFrame(members)}


def moments(microseconds: Any) -> Any:
    """Times in the adapter's format."""
    return pd.to_datetime(np.asarray(microseconds), unit="us", utc=True).as_unit("us")


def ingested(tables: dict[str, pd.DataFrame], folder: Path) -> dict[str, Any]:
    """The manifest of tables that this check's adapter reads."""
    from feature_repo.sources.ingest import ingest
    from models.spec import parse_spec

    module = ModuleType("feature_repo.sources.fault_clock")
    module.TABLES = {name: tuple(frame.columns) for name, frame in tables.items()}  # type: ignore[attr-defined]
    module.read = lambda spec, data: {name: frame.copy() for name, frame in tables.items()}  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    return ingest(parse_spec(_SPEC), None, folder)


class World:
    """The product in a folder: ingested, applied, materialized, on SQLite."""

    def __init__(self, folder: Path) -> None:
        from feature_repo.applied import pushed_folder
        from feature_repo.apply import apply
        from feature_repo.store import open_store, project_of, write_resolved
        from models.spec import parse_spec

        self.spec, self.tables, self.state = parse_spec(_SPEC), folder / "tables", folder / "state"
        ingested(made_tables(), self.tables)
        config = _ROOT / "feature_repo" / "feature_store.yaml"
        project = project_of(self.spec.name)
        self.store = open_store(config, self.state, project)
        write_resolved(config, self.state, project)
        pushed = pushed_folder(str(self.state.resolve()), project)
        apply(self.store, self.spec, self.tables, str(self.tables.resolve()), pushed)
        self.command("materialize")

    def command(self, *command: str) -> tuple[int, str]:
        """Run ``python -m feature_repo``; return exit status and output."""
        from feature_repo.commands import main

        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                status = main([*command, "--state", str(self.state)])
            except SystemExit as error:
                status = int(error.code or 0)
        return status, output.getvalue()

    def push(self, name: str, content: bytes) -> tuple[int, str]:
        """Push a file of impressions; return exit status and output."""
        file = self.state / name
        file.write_bytes(content)
        return self.command("push", "--table", "impressions", "--file", str(file))

    def rows(self) -> dict[bytes, bytes]:
        """Read everything in the online store."""
        from feature_repo.stores.online.bulk import rows_of

        return dict(rows_of(self.store).dump(b""))

    def rates(self) -> list[float]:
        """Each member's click rate as a live request reads it."""
        import asyncio

        from feature_repo.slate import SlateReader
        from models.counters.columns import state_columns
        from models.counters.derive import derive
        from models.spec.counter_plans import counter_plans

        plans = counter_plans(self.spec)
        features = [f"{name}:{column}" for name, plan in plans.items() for column in state_columns(plan)]

        async def read() -> list[float]:
            async with SlateReader(self.store, features, ["post_id"], deadline=30.0) as reader:
                found = []
                for member in range(4):
                    slate = await reader.read({"member_id": member, "surface": "feed"}, {"post_id": ["p0"]})
                    columns = derive(plans["by_member"], slate.shared, slate.shared, np.array([slate.as_of]))
                    found.append(round(float(columns["by_member_click_rate"][0]), 6))
                return found

        return asyncio.run(read())


def row_of(number: int = 900, **change: Any) -> dict[str, Any]:
    """A settled impression as JSON."""
    row: dict[str, Any] = {
        "impression_id": number,
        "member_id": 1,
        "post_id": "p1",
        "surface": "feed",
        "time": START + 6 * DAY,
    }
    return row | {"settled_time": START + 6 * DAY + 60 * SECOND, "clicked": 1} | change


def lines(*rows: Mapping[str, Any]) -> bytes:
    """Write rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@contextlib.contextmanager
def feature_server(world: World) -> Iterator[str]:
    """Run Feast's feature server of the world; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        str(Path(sys.executable).parent / "feast"),
        "-f",
        str(world.state / "feast" / "feature_store.yaml"),
        "serve",
    ]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
    }
    with (world.state / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=world.state,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 90
        while True:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{address}/health", trust_env=False).status_code == 200:
                    break
            expect(process.poll() is None and time.monotonic() < deadline, "a feature server", log.name)
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


def post(address: str, *rows: Mapping[str, Any], view: str = "impressions", path: str = "push") -> httpx.Response:
    """Push rows for a view; return the feature server's response."""
    columns = {name: [sent(name, row[name]) for row in rows] for name in rows[0]}
    body = {"push_source_name" if path == "push" else "feature_view_name": view, "df": columns}
    return httpx.post(f"{address}/{path}", json=body, timeout=60, trust_env=False)


def sent(column: str, value: Any) -> Any:
    """Convert a value for JSON."""
    if not column.endswith("time") or not isinstance(value, int):
        return value
    return pd.Timestamp(value, unit="us", tz="UTC").isoformat()
