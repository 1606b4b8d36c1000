"""What a build logs, what it leaves behind, and rows exactly at the bounds of windows."""

import logging
import re
from pathlib import Path

import pyarrow as pa
import pytest

from models.graph.build import build_graph
from models.graph.engines.duckdb import DuckDBConnection
from models.graph.errors import GraphInputError
from models.graph.store import TemporalGraph
from tests.models.graph.product import HOUR, START, shown, spec, write_product
from tests.models.graph.test_build import rewritten

LINES = [
    "node member: 5 keys, 3 versions in",
    "node item: 3 keys, 2 versions in",
    "node creator: 2 keys, 0 versions in",
    "edge clicked: rows selected in",
    "edge follows: rows selected in",
    "edge clicked: 7 rows written in",
    "edge rev_clicked: 7 rows written in",
    "edge follows: 2 rows written in",
    "edge rev_follows: 2 rows written in",
    "edge clicked: dropped 1 rows: null key",
    "edge clicked: dropped 1 rows: null time",
    "edge clicked: dropped 1 rows: duplicate",
    "edge clicked: dropped 1 rows: bad weight",
    "edge follows: dropped 1 rows: null key",
    "edge follows: dropped 1 rows: duplicate",
    "10 nodes of 3 types, 9 edges of 2 types, 6 seeds in",
]


def test_every_stage_is_logged_and_every_relation_is_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed build left in the scratch folder does not disturb the next build."""
    dropped, drop = [], DuckDBConnection.drop

    def noted(connection: DuckDBConnection, name: str) -> None:
        dropped.append(name)
        drop(connection, name)

    monkeypatch.setattr(DuckDBConnection, "drop", noted)
    given = write_product(tmp_path)
    (tmp_path / ".graph.scratch").mkdir()
    (tmp_path / ".graph.scratch" / "left").write_text("over")
    with caplog.at_level(logging.INFO, logger="models.graph.build"):
        build_graph(spec(), *given, tmp_path / "graph")
    lines = [record.getMessage() for record in caplog.records if record.name == "models.graph.build"]
    assert [re.sub(r" \d+\.\d s$", "", line) for line in lines] == LINES
    seconds = [float(line.split()[-2]) for line in lines if line.endswith(" s")]
    assert all(0 <= each <= seconds[-1] + 0.1 for each in seconds)
    assert seconds[-1] < 60
    of_edges = [f"{part}_{name}" for name in ("clicked", "follows") for part in ("selected", "repeated")]
    assert dropped == [*of_edges, "edge_clicked", "edge_follows"]
    assert not (tmp_path / ".graph.scratch").exists()


def test_rows_at_the_start_of_a_window_are_in_it_and_at_its_end_are_not(tmp_path: Path) -> None:
    """The outcome settles at once, and the frozen state is of the same moment."""
    hour = 96
    rows = [shown(1, 10, "a", hour, 1, settled_time=START + hour * HOUR)]
    tables, training_set = write_product(tmp_path, {"impressions": rows})
    build_graph(spec(), tables, training_set, tmp_path / "graph")
    graph = TemporalGraph.load(tmp_path / "graph")
    assert graph.seeds.rows("validate").tolist() == [0]
    assert graph.seeds.time.tolist() == graph.seeds.settled.tolist() == graph.seeds.frozen_time.tolist()
    rewritten(training_set / "impressions.parquet", "window", pa.array(["train"]))
    with pytest.raises(GraphInputError, match="in the window of its time; found 1 rows in another one"):
        build_graph(spec(), tables, training_set, tmp_path / "graph")


def test_local_time_in_utc_is_utc(tmp_path: Path) -> None:
    rows = [shown(1, 10, "a", hour, 1) for hour in (50,)]
    given = write_product(tmp_path, {"impressions": rows})
    build_graph(spec().model_copy(update={"timezone": "UTC"}), *given, tmp_path / "graph")
    assert TemporalGraph.load(tmp_path / "graph").schema.seeds.timezone_offset == 0
