"""Rows with future times (2), and pushed rows that ingestion would refuse (6)."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.faults.clock_world import (
    AHEAD,
    SECOND,
    START,
    World,
    feature_server,
    ingested,
    lines,
    made_tables,
    moments,
    post,
    row_of,
    sent,
)
from benchmarks.faults.fault import Fault, expect


def nothing_of_the_future_enters(folder: Path) -> str:
    """At ingestion, push by file and HTTP, vectors, materialization; and a store with such a row can be repaired."""
    aside = _ingested_without(folder)
    world = World(folder / "world")
    before, rates = world.rows(), world.rates()
    expect(bool(np.isfinite(rates).all()), "a rate for every member", rates)
    soon = time.time_ns() // 1_000 + 3_600 * SECOND
    bad = [{"time": AHEAD, "settled_time": AHEAD}, {"settled_time": AHEAD}, {"settled_time": soon}, {"time": 10**12}]
    for change in bad:
        status, output = world.push("rows.jsonl", lines(row_of(901), row_of(**change)))
        expect(
            status == 1 and "row 2" in output and "column" in output, f"{change} refused with its row", output[-200:]
        )
    with feature_server(world) as address:
        for change in bad:
            response = post(address, row_of(901), row_of(**change))
            expect(
                400 <= response.status_code < 500,
                f"{change} refused over HTTP",
                (response.status_code, response.text[:200]),
            )
        profile = {"member_id": 1, "valid_from": sent("time", AHEAD), "age": 31.0}
        response = post(address, profile, view="profile", path="write-to-online-store")
        expect(response.status_code >= 400, "a profile of 2090 refused over HTTP", response.text[:200])
    expect(world.rows() == before, "a store that no refused row has changed", "another")
    _poison(world)
    expect(world.rates() != rates, "manually corrupted rows to change the rates", rates)
    status, output = world.command("repair")
    expect(status == 0 and "overall" in output, "`repair` to find the row", output)
    expect(world.command("materialize")[0] == 0 and world.rates() == rates, "the earlier rates again", world.rates())
    _poison(world)
    expect(world.command("materialize")[0] == 0 and world.rates() == rates, "materialize to repair it", world.rates())
    return f"{aside} rows quarantined at ingest; {2 * len(bad) + 1} pushes refused; a store repaired twice"


def _ingested_without(folder: Path) -> int:
    """Ingest with one bad row at a time: everything else stays the same; return the number of bad rows."""
    from feature_repo.sources import end_of_data

    without, end = ingested(made_tables(), folder / "without"), end_of_data(folder / "without")
    bad: list[tuple[str, dict[str, Any]]] = [
        ("impressions", {"impression_id": 900, "settled_time": moments([AHEAD])[0]}),
        ("impressions", {"impression_id": 900, **dict.fromkeys(("time", "settled_time"), moments([AHEAD])[0])}),
        ("impressions", {"impression_id": 900, "time": moments([10**12])[0]}),
        ("members", {"member_id": 9, "valid_from": moments([AHEAD])[0]}),
    ]
    for name, change in bad:
        tables = made_tables()
        tables[name] = pd.concat([tables[name], tables[name].iloc[:1].assign(**change)], ignore_index=True)
        found = ingested(tables, folder / "with")
        expect(end_of_data(folder / "with") == end, f"the end of the data not moved by {name} {change}", found["last"])
        for table, part in without["tables"].items():
            expect(found["tables"][table]["sha256"] == part["sha256"], f"{table} as without {name} {change}", "another")
        expect(sum(found["tables"][name]["dropped"].values()) == 1, "one row counted", found["tables"][name])
    return len(bad)


def _poison(world: World) -> None:
    """Overwrite `overall` with a row of 2090, as an earlier release did."""
    from feature_repo.packed.keys import view_prefix
    from feature_repo.stores.online.bulk import rows_of

    key = view_prefix(world.store.project, "overall")
    row = world.rows()[key]
    rows_of(world.store).write_newest([(key, (AHEAD + 2**63).to_bytes(8, "big") + row[8:])])


def _csv(**cells: str) -> str:
    row = {name: str(value) for name, value in row_of(950, member_id=2).items()} | cells
    return ",".join(row) + "\n" + ",".join(row.values()) + "\n"


_CSV = {
    "a short last row": _csv().rstrip("\n").rpartition(",")[0],
    "a long row": _csv().rstrip("\n") + ",1\n",
    "semicolons": _csv().replace(",", ";"),
    "a blank name": _csv().replace("clicked", "", 1),
    "a name twice": _csv().replace("clicked", "surface", 1),
    "an unknown column": _csv().replace("clicked", "clickd", 1),
    "a missing column": _csv().replace("surface,", "", 1).replace("feed,", "", 1),
    "an open quote": _csv(surface='"feed'),
    "surface sms": _csv(surface="sms"),
    "surface ' email'": _csv(surface=" email"),
    "surface with a line break": _csv(surface='"feed\n"'),
    "settled before shown": _csv(settled_time=str(START)),
    "clicked 2": _csv(clicked="2"),
    "clicked yes": _csv(clicked="yes"),
    "clicked NaN": _csv(clicked="NaN"),
    "no outcome": _csv(clicked=""),
    "member 1e3": _csv(member_id="1e3"),
    "member ' 2'": _csv(member_id=" 2"),
    "member true": _csv(member_id="true"),
    "post 'p1 '": _csv(post_id="p1 "),
    "time inf": _csv(time="inf"),
    "an empty file": "",
}


def push_refuses_what_ingest_refuses(folder: Path) -> str:
    """By CSV, JSON lines and HTTP, all rows or none; a byte order mark is not part of a column name."""
    world = World(folder / "world")
    before = world.rows()
    for name, content in _CSV.items():
        good = content.replace("950", "951", 1).encode()
        status, output = world.push("rows.csv", good)
        expect(
            status == 1 and output.count("\n") == 1 and "Traceback" not in output,
            f"{name} refused in a line",
            output[-300:],
        )
    for encoding in ("utf-16", "utf-32"):
        status, output = world.push("rows.csv", _csv().encode(encoding))
        expect(status == 1 and "UTF-8" in output, f"{encoding} refused", output[-200:])
    bad: list[dict[str, Any]] = [
        {"surface": "sms"},
        {"surface": " email"},
        {"settled_time": START},
        {"clicked": 2},
        {"post_id": "p1 "},
    ]
    for change in bad:
        status, output = world.push("rows.jsonl", lines(row_of(902), row_of(**change)))
        expect(status == 1 and "row 2" in output, f"{change} refused with its row", output[-200:])
    with feature_server(world) as address:
        for change in bad:
            response = post(address, row_of(902), row_of(**change))
            expect(
                400 <= response.status_code < 500,
                f"{change} refused over HTTP",
                (response.status_code, response.text[:200]),
            )
    expect(world.rows() == before, "a store that no refused row has changed", "another")
    status, output = world.push("rows.csv", _csv().encode("utf-8-sig"))
    expect(status == 0 and "1 new" in output, "a row behind a byte order mark to count", output)
    return f"{len(_CSV) + 2} CSV files, {2 * len(bad)} rows refused, nothing changed; a byte order mark is skipped"


FAULTS = (
    Fault(2, "rows with future times are refused, and a store that has one is repaired", nothing_of_the_future_enters),
    Fault(6, "push refuses what ingest refuses", push_refuses_what_ingest_refuses),
)
