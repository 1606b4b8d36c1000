"""The summary of a day as the join of served log and outcomes writes it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.time_units import HOUR
from monitoring.days import JoinedRows, summarize
from monitoring.days.explored import sums_of
from monitoring.judged_days import rows_of
from monitoring.outcomes import join
from tests.monitoring.outcomes.world import DAY, START, line, outcome, spec_of, write_lines, write_outcomes


def test_a_joined_day_is_summarized(tmp_path: Path) -> None:
    spec = spec_of()
    rows = [line(f"a/{slate}/{rank}", START + slate, stale=["vectors"]) for slate in range(3) for rank in range(2)]
    place = write_lines(tmp_path / "lines", rows)
    stored = write_outcomes(f"{tmp_path}/outcomes", [outcome("a/0/1", 60), outcome("z/0/0", 60)])
    counts = join(spec, place, stored, START + 100 * HOUR, DAY, DAY, tmp_path)

    found = summarize(spec, pq.read_table(tmp_path / f"day={DAY}.parquet"), DAY, counts.to_json())

    assert (found.day, found.rows, found.serving["slates"]) == (DAY, 6, 3)
    assert found.serving["stale"] == {"vectors": 1.0}
    assert (found.log["outcomes"], found.log["orphan"], found.log["clock"]) == (counts.outcomes, counts.orphan, 0)
    assert {"hour", "kind"} <= found.columns.keys()
    assert found.labels["click"]["all"]["positives"] == 1
    assert sum(found.labels["click"]["all"]["delay"]) == 1


def test_columns_of_files_read_like_those_of_a_table(tmp_path: Path) -> None:
    first = pa.table({"served": [1, 2, 3], "kind": ["a", None, "b"], "hour": [1.0, 2.0, None]})
    second = pa.table({"served": [4, 5], "hour": pa.nulls(2)})
    for number, table in enumerate((first, second, first.slice(0, 0))):
        pq.write_table(table, tmp_path / f"day=2026-01-0{number}.parquet")
    files = sorted(tmp_path.iterdir())
    whole = pa.concat_tables([first, second], promote_options="permissive")
    kept = np.array([True, False, True, True, False])
    for rows, table in (
        (JoinedRows(files), whole),
        (JoinedRows(files).filter(kept), whole.filter(pa.array(kept))),
        (JoinedRows(files).filter(kept).filter(pa.chunked_array([[False, True, True]])), whole.slice(2, 2)),
        (JoinedRows(files).filter(~kept).filter(np.zeros(2, bool)), whole.slice(0, 0)),
        (JoinedRows(files[2:]), first.slice(0, 0)),
    ):
        assert (len(rows), rows.column_names, rows.schema) == (len(table), table.column_names, table.schema)
        assert rows.select(table.column_names).equals(table)
    with pytest.raises(KeyError):
        JoinedRows(files)["none"]


def test_a_summary_of_files_is_that_of_the_table(tmp_path: Path) -> None:
    spec, begin = spec_of(), START + 2 * HOUR
    rows = [line(f"a/{slate}/{rank}", START + slate * HOUR) for slate in range(3) for rank in range(2)]
    join(spec, write_lines(tmp_path / "lines", rows), [], START + 100 * HOUR, "2025-12-31", DAY, tmp_path)
    files = [tmp_path / f"day={day}.parquet" for day in ("2025-12-31", DAY)]
    table = pq.read_table(files[1], partitioning=None)
    assert summarize(spec, JoinedRows(files), DAY, {}) == summarize(spec, table, DAY, {})
    found = rows_of(tmp_path, begin, begin + 24 * HOUR)  # of a local day that begins two hours later
    assert found["impression"].to_pylist() == ["a/2/0", "a/2/1"]


def test_propensities_of_the_log_reach_the_summary(tmp_path: Path) -> None:
    """Slates of two; of each the first item was clicked. A propensity that is no number is none."""
    chances = {0: (0.9, 0.9), 1: (0.1, 0.1), 2: ("high", 0.9), 3: (1.5, None)}
    rows = [
        line(f"a/{slate}/{rank}", START + slate, propensity=chances[slate][rank])
        for slate in chances
        for rank in (0, 1)
    ]
    place = write_lines(tmp_path / "lines", rows)
    stored = write_outcomes(f"{tmp_path}/outcomes", [outcome(f"a/{slate}/0", 60) for slate in chances])
    counts = join(spec_of(), place, stored, START + 100 * HOUR, DAY, DAY, tmp_path)

    found = summarize(spec_of(), pq.read_table(tmp_path / f"day={DAY}.parquet"), DAY, counts.to_json())

    sums = sums_of(found.explored["click"], "4")
    assert sums is not None
    assert (sums.rows, sums.explored, sums.placed, sums.refused, sums.clusters) == (5, 5, 3, 3, 1)
    assert (sums.weight, sums.outcome) == pytest.approx((3 / 0.9, 1 / 0.9))
