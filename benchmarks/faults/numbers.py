"""Numbers that would be stored as other numbers (7); full disks, links, odd paths and invalid graphs (25)."""

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.faults.fault import Fault, expect

_SPEC = """
name: numbers
source: {adapter: fault_numbers}
nodes:
  member:
    key: member_id
    views: {profile: {table: members, features: {born: number, taste: "vector[2]"}}}
  post: {key: post_id}
edges:
  clicked:
    table: impressions
    source: {node: member, column: member_id}
    target: {node: post, column: post_id}
    time: settled_time
    kind: engagement
    domain: feed
    filter: {clicked: [1]}
    weight: worth
impressions:
  member: {node: member, column: member_id}
  item: {node: post, column: post_id}
  surfaces: [feed]
  outcomes: [clicked]
tasks: {click: {label: clicked, primary: true}}
windows: {start: 2026-01-01, graph: {days: 1}, train: {days: 1}, validate: {days: 1}, gate: {days: 1}, test: {days: 1}}
home_domain: feed
"""
_ROWS = 15
_UNIX = 1_700_000_000


def _tables() -> dict[str, pd.DataFrame]:
    members, moment = np.arange(_ROWS), pd.Timestamp("2026-01-02", tz="UTC")
    times = pd.Series([moment] * _ROWS).dt.as_unit("us")
    return {
        "members": pd.DataFrame(
            {"member_id": members, "valid_from": times, "born": 1.5, "taste": [[0.5, 1.0]] * _ROWS}
        ),
        "impressions": pd.DataFrame(
            {"impression_id": members, "member_id": members, "post_id": members, "surface": "feed", "time": times}
            | {"settled_time": times, "clicked": members % 2, "worth": 1.0}
        ),
    }


def _ingested(folder: Path, table: str, column: str, values: Any) -> list | str:
    """The stored column after an ingestion, or the error message."""
    from feature_repo.sources import read_table
    from feature_repo.sources.errors import SourceError
    from feature_repo.sources.ingest import ingest
    from models.spec import parse_spec

    tables = _tables()
    adapter = ModuleType("feature_repo.sources.fault_numbers")
    adapter.__dict__["TABLES"] = {name: tuple(frame.columns) for name, frame in tables.items()}
    adapter.__dict__["read"] = lambda spec, data: tables
    if column == "twice":
        tables[table] = pd.concat([tables[table], tables[table].iloc[:, -1:]], axis=1)
    else:
        tables[table][column] = values
    sys.modules[adapter.__name__] = adapter
    try:
        ingest(parse_spec(_SPEC), None, folder)
    except SourceError as error:
        return str(error)
    finally:
        del sys.modules[adapter.__name__]
    return list(read_table(folder, table)[column])


def _bad_columns() -> Iterable[tuple[str, str, object]]:
    whole, rest = _UNIX + np.arange(_ROWS), [1.0] * (_ROWS - 1)
    yield "members", "born", whole
    yield "members", "born", whole.astype(float)
    yield "members", "born", whole + 0.25
    yield "members", "born", [*(whole[1:] + 0.25), 0.0]
    yield "members", "born", [1e39, *rest]
    yield "members", "born", [float("inf"), *rest]
    yield "members", "born", [1 + 2j, *rest]
    yield "members", "born", [None, *([2**24 + 1] * (_ROWS - 1))]
    yield "members", "born", [1, "2", *rest[1:]]
    yield "members", "taste", [[2**24 + 1, 1]] * _ROWS
    yield "members", "taste", [[1e39, 1.0]] * _ROWS
    yield "members", "twice", None
    yield "impressions", "worth", [1.0, 1e-60, *rest[1:]]
    yield "impressions", "worth", [1.0, float("inf"), *rest[1:]]


def _refused_by_ingest(folder: Path) -> int:
    count = 0
    for table, column, values in _bad_columns():
        found = _ingested(folder / str(count), table, column, values)
        where = f"table {table}"
        expect(isinstance(found, str) and where in found, f"an error that names {where}, column {column}", found)
        count += 1
    fine: list[float] = [-0.0, 0.1, 2.0**25, 1e30, *range(_ROWS - 4)]
    kept = _ingested(folder / "fine", "members", "born", fine)
    expect(kept == np.array(fine, np.float32).tolist(), "numbers that survive kept", kept)
    return count


def _refused_by_arrays() -> int:
    from models.graph.arrays import edges_from_arrays
    from models.graph.errors import GraphInputError

    ends = {"source": np.array([0, 1]), "target": np.array([1, 0]), "time": np.array([1, 2])}
    bad: list[dict] = [
        {"numbers": np.array([[_UNIX], [_UNIX + 1]])},
        {"numbers": np.array([[1.0], [1e39]])},
        {"numbers": np.array([[1.0], [np.inf]])},
        {"numbers": np.array([[1j], [1.0]])},
        {"numbers": np.array([[None], [1.0]])},
        {"categories": np.array([[1], [2**40]])},
        {"categories": np.array([[-1], [1]])},
        {"weight": np.array([1.0, 1e39])},
    ]
    for given in bad:
        try:
            found: object = edges_from_arrays(**ends, sources=2, targets=2, **given)[0]
        except GraphInputError:
            continue
        expect(False, f"{given} refused", found)
    forward, _ = edges_from_arrays(**ends, sources=2, targets=2, numbers=np.array([[1.5], [np.nan]], ">f8"))
    expect(forward.numbers[0].tolist() == [1.5], "the other byte order read", forward.numbers)
    return len(bad)


def _numbers(folder: Path) -> str:
    ingested, arrays = _refused_by_ingest(folder), _refused_by_arrays()
    return f"{ingested} columns refused by ingest and {arrays} arrays by the graph, each with its name; others kept"


_LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def _disks(folder: Path) -> int:
    """Commands that cannot write their state: a full disk (no file above 1,000 bytes), a long name, a file."""
    (folder / "file").touch()
    ran, long = 0, "x" * 300
    for command, states in (
        (["pipelines", "local"], ("full", long)),
        (["serving", "versions"], (long,)),
        (["feature_repo", "materialize"], (long, "file/below")),
    ):
        for state in states:
            arguments = [*command, "--state", str(folder / state)]
            done = subprocess.run(
                [sys.executable, "-c", _LIMITED, *arguments], capture_output=True, text=True, timeout=120, check=False
            )
            output = done.stdout + done.stderr
            good = done.returncode == 1 and "Traceback" not in output and "error: " in output
            expect(good, f"{' '.join(command)} over {state[:9]} to end in one line", output[-200:] or done.returncode)
            ran += 1
    return ran


def _paths(folder: Path) -> int:
    """A registry in a folder with an odd name writes only there; artifacts that are links are refused."""
    from components.services import Services
    from serving.errors import RegistryError
    from serving.versions.mlflow_records import experiment_id, open_client
    from serving.versions.registry import DIGEST, Registry

    names = ("a%20b", "a b#c", "a?b", "ünïcödé%41")
    for name in names:
        state = folder / name / "state"
        registry = Registry(Services.embedded("run", state, folder).tracking_uri)
        client = open_client(registry.tracking_uri)
        experiment = experiment_id(client, registry.tracking_uri, "fault")
        run = client.create_run(experiment).info
        client.log_text(run.run_id, "{}", "bundle/spec.json")
        client.create_registered_model("m")
        client.create_model_version("m", f"{run.artifact_uri}/bundle", run.run_id, tags={DIGEST: "0" * 64})
        (stored,) = (path for path in folder.rglob("spec.json") if "bundle" in path.parts)
        expect(stored.is_relative_to(state), f"artifacts below {name}", stored.relative_to(folder))
        expect((state / "mlflow" / "mlflow.db").stat().st_size > 0, f"the database below {name}", list(state.iterdir()))
        stored.rename(folder / "elsewhere")
        stored.symlink_to(folder / "elsewhere")
        try:
            registry.download("m", "1", folder / "copy")
        except RegistryError:
            stored.unlink()
            continue
        expect(False, "a linked artifact refused", "no error")
    return len(names)


def _graphs() -> int:
    """Invalid graphs are refused by the check."""
    from models.graph.check import check
    from models.graph.errors import GraphFormatError
    from models.graph.fakes import fake_graph

    graph = fake_graph()
    seeds, schema, day = graph.seeds, graph.schema, 86_400_000_000
    windows = schema.seeds.windows
    wraps = (*windows[:2], replace(windows[2], end=windows[2].start - 1), *windows[3:])
    over = (*windows[:2], replace(windows[2], start=windows[2].start - day), *windows[3:])
    endless = (replace(schema.edges[0], window=2**63 - 1), *schema.edges[1:])
    bad = [
        (schema, replace(seeds, labels=seeds.labels + 1)),
        (schema, replace(seeds, labels=seeds.labels / 2)),
        (schema, replace(seeds, labels=seeds.labels * float("inf"))),
        (schema, replace(seeds, frozen_time=seeds.frozen_time + 90 * day)),
        (schema, replace(seeds, settled=seeds.settled - 90 * day)),
        (schema, replace(seeds, numbers=seeds.numbers / 0)),
        (schema, replace(seeds, categories=seeds.categories + 9)),
        (schema, replace(seeds, window=seeds.window.clamp(max=2))),
        (replace(schema, seeds=replace(schema.seeds, windows=wraps)), seeds),
        (replace(schema, seeds=replace(schema.seeds, windows=over)), seeds),
        (replace(schema, edges=endless), seeds),
    ]
    check(schema, graph.nodes, graph.edges, seeds, graph.node_keys)
    for number, (one_schema, one_seeds) in enumerate(bad):
        try:
            check(one_schema, graph.nodes, graph.edges, one_seeds, graph.node_keys)
        except GraphFormatError:
            continue
        expect(False, f"bad graph {number} refused", "none of it")
    return len(bad)


def _drawn_last() -> None:
    """Edges with weight 0 come after all others, however small their weights; if all weights are 0, all are drawn."""
    import torch

    from models.graph.arrays import edges_from_arrays
    from models.graph.chance import Draw
    from models.graph.strategies import weighted

    ends = np.zeros(5, np.int64), np.arange(5), np.arange(5)
    edges, _ = edges_from_arrays(*ends, sources=1, targets=5)
    moments = torch.arange(2_000)
    first, end = torch.zeros_like(moments), torch.full_like(moments, 5)
    for weights, positive in (
        ([0.0, 3e-30, 0.0, -0.0, 1e-30], {1, 4}),
        ([0.0] * 5, set()),
        ([0, 1, 0, 1, 0.0], {1, 3}),
    ):
        tried = replace(edges, weight=torch.tensor(weights))
        row, mask = weighted(tried, first, end, 5, Draw(0, 0, 0, 0).of(torch.zeros_like(moments), moments))
        expect(
            bool(mask.all()) and len(row.sort().values.unique(dim=0)) == 1, "every edge drawn once", row[:2].tolist()
        )
        early = set(row[:, : len(positive)].unique().tolist())
        expect(early == positive, f"rows {positive} of {weights} drawn first", early)


def _refused(folder: Path) -> str:
    commands, paths, graphs = _disks(folder), _paths(folder), _graphs()
    _drawn_last()
    return (
        f"{commands} commands ended in one line, {paths} odd folders kept to, {graphs} bad graphs refused, zeros last"
    )


FAULTS = (
    Fault(7, "a number that would not survive as float32 is refused, never changed", _numbers),
    Fault(25, "full disks, links, odd paths and impossible graphs end in one clear error", _refused),
)
