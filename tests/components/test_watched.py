"""What the monitors read of a step's feature store."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from components.watched import node_features_of
from models.time_units import DAY, microseconds
from monitoring.node_drift import day_columns, served
from tests.factories.tiny import tiny_spec
from tests.feature_repo import tiny

BEGIN = microseconds(tiny.START)


def test_features_of_nodes_come_from_the_store_as_of_the_time_of_serving(tmp_path: Path) -> None:
    spec = tiny_spec()
    store = tiny.store_of(spec, tmp_path / "state")
    assert node_features_of(SimpleNamespace(spec=spec, open_store=lambda: store)) is None  # type: ignore[arg-type]
    tiny.apply_tables(store, spec, tiny.tables(spec, tmp_path / "tables"), tmp_path / "state")
    step: Any = SimpleNamespace(spec=spec, open_store=lambda: store)
    member, unknown = tiny.MEMBERS[0], 2**62 + 1
    rows = pa.table(
        {
            "member": [member, member, unknown, member],
            "item": [tiny.POSTS[0], tiny.POSTS[0], tiny.POSTS[1], "none"],
            "served": [BEGIN + 2 * DAY, BEGIN + 5 * DAY, BEGIN + DAY, BEGIN],
            "fallback": [False] * 4,
        }
    )
    retrieve = node_features_of(step)
    assert retrieve is not None
    found = served(spec, rows.drop_columns(["fallback"]), retrieve)
    seniority = [None if one is None else float(np.float32(one)) for one in found["seniority"].to_pylist()]
    assert seniority == [float(np.float32(one)) for one in (member, member + 0.4)] + [None, None]
    assert found["title"].to_pylist() == [f"about {tiny.POSTS[place]}" for place in (0, 0, 1)] + [None]
    columns = day_columns(spec, retrieve, rows)
    assert columns["title (length)"]["missing"] == columns["embedding (norm)"]["missing"] == 1
    assert day_columns(spec, retrieve, rows.slice(0, 0)) == {}


def test_a_store_that_cannot_be_read_leaves_the_verdict_without_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tiny_spec()
    store = tiny.store_of(spec, tmp_path / "state")
    tiny.apply_tables(store, spec, tiny.tables(spec, tmp_path / "tables"), tmp_path / "state")
    step: Any = SimpleNamespace(spec=spec, open_store=lambda: store)
    retrieve = node_features_of(step)
    assert retrieve is not None
    (tmp_path / "tables" / "posts.parquet").write_bytes(b"no")
    one = {"member": [tiny.MEMBERS[0]], "item": [tiny.POSTS[0]], "served": [BEGIN + DAY], "fallback": [False]}
    assert day_columns(spec, retrieve, pa.table(one)) == {}
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert "features of members and items are not compared: " in lines[0]
