"""Numbers that would be stored as others (7)."""

import sys
from collections.abc import Iterable
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
    """The column as it lies on disk after an ingest, or the error's words."""
    from feature_repo.errors import SourceError
    from feature_repo.sources import ingest, read_table
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


FAULTS = (Fault(7, "a number that would not survive as float32 is refused, never changed", _numbers),)
