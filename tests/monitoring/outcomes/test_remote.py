"""The join of a cluster: served log and outcomes in object storage, and those that an embedded endpoint wrote."""

from pathlib import Path

import orjson

from models.served import model_name
from models.time_units import HOUR
from monitoring.outcomes import OutcomeCounts, join
from tests.monitoring.outcomes.world import (
    DAY,
    START,
    joined,
    line,
    outcome,
    spec_of,
    write_lines,
    write_outcomes,
    write_parts,
)
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]
LATER = START + 100 * HOUR


def test_parts_in_object_storage_are_fetched_day_by_day(tmp_path: Path, bucket: str) -> None:
    rows = [line("a/0/0", START), line("b/0/0", START + 24 * HOUR), line("c/0/0", START + 48 * HOUR)]
    log = write_parts(f"{bucket}/served", rows)
    found = [outcome(f"{name}/0/0", 60 * hours) for name, hours in (("a", 1), ("b", 25), ("c", 25), ("x", 25))]
    stored = write_outcomes(f"{bucket}/outcomes/small", found)
    counts = join(spec_of(), log, stored, LATER, DAY, "2026-01-02", tmp_path)
    assert counts == OutcomeCounts(served=2, outcomes=3, matched=2, settled=2, orphan=1)
    assert [one["label_click"] for day in (DAY, "2026-01-02") for one in joined(tmp_path, day)] == [1, 1]
    assert sorted(one.name for one in tmp_path.iterdir()) == [f"day={DAY}.parquet", "day=2026-01-02.parquet"]


def test_lines_of_an_endpoint_and_pushed_parts_are_one_store(tmp_path: Path) -> None:
    spec, folder = spec_of(), tmp_path / "new"
    folder.mkdir()
    shared = {"model": model_name(spec), "product": spec.name}
    lines = [{**shared, **outcome(f"a/0/{rank}", 5)._asdict()} for rank in range(2)]
    lines.append({**lines[0], "model": "another", "impression": "a/0/2"})
    (folder / f"{DAY}.jsonl").write_bytes(b"\n\n".join(map(orjson.dumps, lines)) + b'\n{"model":"tor')
    stored = write_outcomes(f"{tmp_path}/stored", [outcome("a/0/0", 3, value=0)])
    log = write_lines(tmp_path / "lines", [line(f"a/0/{rank}", START) for rank in range(3)])
    counts = join(spec, log, [stored, folder], LATER, DAY, DAY, tmp_path)
    assert counts == OutcomeCounts(served=3, outcomes=3, matched=2, settled=3, duplicate=1, torn=1)
    assert [one["label_click"] for one in joined(tmp_path)] == [0, 1, 0]
