"""Joined rows of local days."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.joined import join_of
from components.services import Services
from tests.monitoring.outcomes.world import DAY, START, line, spec_of, write_lines


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Pacific/Auckland"])
def test_a_torn_line_counts_on_one_local_day(tmp_path: Path, zone: str) -> None:
    spec = spec_of().model_copy(update={"timezone": zone})
    served = tmp_path / "endpoint" / "served"
    served.parent.mkdir()
    write_lines(served, [line("a/0/0", START)])
    with (served / f"{DAY}.jsonl").open("ab") as stream:
        stream.write(b'{"served"')
    shown = {name: pa.array([0]) for name in ("member", "item", "clicked", "liked")}
    table = pa.table({**shown, "surface": ["feed"], "time": pa.array([0], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "impressions.parquet")
    join_days = join_of(spec, Services.embedded("", tmp_path, tmp_path), tmp_path)
    days = [date(2025, 12, 31) + timedelta(days=number) for number in range(4)]
    torn = [
        join_days(spec.midnight(first), spec.midnight(last) - 1, tmp_path / "joined")["torn"]
        for first, last in pairwise(days)
    ]
    assert sum(torn) == 1
