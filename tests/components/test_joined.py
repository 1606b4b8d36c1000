"""Joined rows against the profile of the version that served most of them."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.joined import join_of, shifts_of
from components.services import Services
from tests.monitoring.outcomes.world import DAY, START, line, spec_of, write_lines


class Profile:
    """A profile from which every column is as far as its version says."""

    columns = SimpleNamespace(columns={"hour": {}})

    def __init__(self, version: str) -> None:
        self.version = version

    def profile(self, rows: pa.Table, names: list[str]) -> list[str]:
        return names

    def compare(self, names: list[str]) -> dict[str, Any]:
        return {name: SimpleNamespace(to_json=lambda: {"psi": self.version}) for name in names}


def rows(*versions: str | None, fallback: bool | None = False) -> pa.Table:
    served = {"fallback": pa.array([fallback] * len(versions), pa.bool_()), "hour": [1.0] * len(versions)}
    return pa.table({**served, "model_version": pa.array(versions, pa.string())})


def test_rows_are_compared_with_the_version_that_has_most_of_them() -> None:
    asked: list[str] = []

    def profile(version: str) -> Any:
        asked.append(version)
        return None if version == "removed" else Profile(version)

    shifts = shifts_of(profile)
    assert shifts(rows("1", "2", "2", None, None, None)) == {"hour": {"psi": "2"}}
    assert shifts(rows("1", "2", "1")) == {"hour": {"psi": "1"}}
    assert shifts(rows("2", fallback=None)) == {"hour": {"psi": "2"}}
    assert asked == ["2", "1"]  # once each
    assert shifts(rows("removed")) == shifts(rows("1", fallback=True)) == shifts(rows()) == shifts(rows(None)) == {}


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
