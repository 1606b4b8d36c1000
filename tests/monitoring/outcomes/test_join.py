"""The join: what a row holds, torn and older input, the table of impressions, kills, memory of the day before."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from models.served import read
from models.time_units import HOUR
from monitoring.outcomes import OutcomeCounts, join
from monitoring.outcomes.labels import Labels
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

LATER = START + 100 * HOUR
NONE = "/nonexistent/outcomes"


def impressions(folder: Path, times: list[int], clicked: list[float], ids: Sequence[Any], item: int = 7) -> Path:
    time = pd.to_datetime(pd.Series(times, dtype="int64"), unit="us", utc=True).astype("datetime64[us, UTC]")
    frame = {"member": 1, "item": item, "surface": "feed", "time": time, "clicked": clicked, "liked": 0.0}
    folder.mkdir(exist_ok=True)
    pd.DataFrame({**frame, "answer": pd.Series(list(ids), dtype=object)}).to_parquet(folder / "impressions.parquet")
    return folder / "impressions.parquet"


def labels(folder: Path, day: str = DAY) -> list[float | None]:
    return [one["label_click"] for one in joined(folder, day)]


def test_a_row_has_slate_labels_and_features_in_both_forms(tmp_path: Path) -> None:
    spec = spec_of()
    rows = [line("b/0/1", START, stale=["vectors", "counters"], score=None), line("b/0/0", START, latency=0.25)]
    stored = write_outcomes(f"{tmp_path}/outcomes", [outcome("b/0/1", 60)])
    for place in (write_lines(tmp_path / "lines", rows), write_parts(f"{tmp_path}/parts", rows)):
        counts = join(spec, place, stored, LATER, DAY, DAY, tmp_path)
        assert counts == OutcomeCounts(served=2, outcomes=1, matched=1, settled=2)
        first, second = joined(tmp_path)
        assert first == {
            **{"served": START, "slate": "b/0", "impression": "b/0/0", "member": 1, "item": 7, "surface": "feed"},
            **{"model_version": "4", "position": 0, "fallback": False, "member_cold": False, "item_cold": False},
            **{"stale": "", "score": 0.5, "propensity": 1.0, "as_of": START - 1, "probability_click": 0.25},
            **{"probability_like": 0.5, "label_click": 0, "happened_click": None, "label_like": 0},
            **{"happened_like": None, "hour": 3.5, "kind": "a", "latency": first["latency"]},
        }
        assert (second["stale"], second["score"], second["label_click"]) == ("vectors,counters", None, 1)
        assert second["happened_click"] == START + HOUR
        assert list(first) == pq.read_schema(tmp_path / f"day={DAY}.parquet").names


def test_keys_of_64_bits_are_told_apart_in_both_forms(tmp_path: Path) -> None:
    """In doubles the two items would be one."""
    member, items = 2**63 - 1, [2**53, 2**53 + 1]
    rows = [line(f"b/0/{rank}", START, member=member, item=item) for rank, item in enumerate(items)]
    time = pd.to_datetime([START + 60_000_000], unit="us", utc=True).as_unit("us")
    shown = {"member": [member], "item": items[1:], "surface": "feed", "time": time, "clicked": 1.0, "liked": 0.0}
    pd.DataFrame({**shown, "settled_time": time}).to_parquet(tmp_path / "impressions.parquet")
    for place in (write_lines(tmp_path / "lines", rows), write_parts(f"{tmp_path}/parts", rows)):
        join(spec_of(None), place, NONE, LATER, DAY, DAY, tmp_path, tmp_path / "impressions.parquet")
        found = joined(tmp_path)
        assert [(one["member"], one["item"]) for one in found] == [(member, item) for item in items]
        assert labels(tmp_path) == [None, 1]
        frame = read(place)
        assert (frame["member"].tolist(), frame["item"].tolist()) == ([member] * 2, items)


def test_lines_that_cannot_be_read_are_counted_and_older_ones_are_read(tmp_path: Path) -> None:
    older = line(None, START)
    for name in ("propensity", "adjustments", "stale", "impression"):
        del older[name]
    folder = write_lines(tmp_path / "lines", [older, line("a/0/0", START + 1), line("x/0/0", START, model="another")])
    with (folder / f"{DAY}.jsonl").open("ab") as stream:
        stream.write(b'{"served": 17, "requ\n[1]\n{"served": 18}\n\n{"served"')
    stored = tmp_path / "outcomes"
    (day := stored / f"day={DAY}").mkdir(parents=True)
    (day / "torn.parquet").write_bytes(b"PAR1")
    counts = join(spec_of(), folder, str(stored), LATER, DAY, DAY, tmp_path / "joined")
    assert counts == OutcomeCounts(served=2, settled=2, torn=5)
    assert [one["impression"] for one in joined(tmp_path / "joined")] == [None, "a/0/0"]


def test_a_torn_file_of_outcomes_counts_on_its_day(tmp_path: Path) -> None:
    stored, server = tmp_path / "stored", tmp_path / "server"
    server.mkdir()
    for day in ("2025-12-31", "2026-01-02"):
        (stored / f"day={day}").mkdir(parents=True)
        (stored / f"day={day}" / "torn.parquet").write_bytes(b"PAR1")
        (server / f"{day}.jsonl").write_text('{"impression": "a/0/0"}\n[\n', encoding="utf-8")
    write_outcomes(str(stored), [outcome("a/0/0", 60 * 24)])
    served = write_lines(tmp_path / "lines", [line("a/0/0", START)])
    days, torn = ("2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03"), []
    for day in days:
        counts = join(spec_of("48h"), served, [str(stored), server], LATER, day, day, tmp_path / "joined")
        torn.append((counts.torn, dict(counts.torn_on)))
    assert torn == [(3, {days[0]: 3}), (0, {}), (3, {days[2]: 3}), (0, {})]
    assert labels(tmp_path / "joined", "2026-01-01") == [1]  # what can be read of later days is
    counts = join(spec_of(), served, [str(stored), server], LATER, days[0], days[2], tmp_path / "joined")
    assert (counts.torn, counts.torn_on) == (6, {days[0]: 3, days[2]: 3})


@pytest.mark.parametrize("write", [write_lines, lambda folder, rows: write_parts(str(folder), rows)])
def test_rows_of_a_clock_that_is_ahead_are_counted(tmp_path: Path, write: Callable[..., Path | str]) -> None:
    years = 7 * 365 * 24 * HOUR
    served = write(tmp_path / "served", [line("a/0/0", START), *(line(f"b/0/{n}", START + years) for n in range(3))])
    counts = join(spec_of(), served, NONE, LATER, DAY, DAY, tmp_path / "joined")
    assert counts == OutcomeCounts(served=1, settled=1, ahead=3)
    assert [one["impression"] for one in joined(tmp_path / "joined")] == ["a/0/0"]


def test_damaged_parts_are_left_out_and_a_row_in_two_parts_is_one(tmp_path: Path) -> None:
    address = write_parts(f"{tmp_path}/parts", [line("a/0/0", START), line("a/0/1", START)])
    write_parts(address, [line("a/0/1", START), line("a/0/2", START, features={"kind": 5})], "other")
    write_parts(address, [line(f"b/0/{rank}", START + rank) for rank in range(500)], "damaged")
    write_parts(address, [line("c/0/0", START)], "cut")
    (damaged,) = Path(address).rglob("damaged.parquet")
    content = bytearray(damaged.read_bytes())
    content[40:2000] = b"\0" * 1960
    damaged.write_bytes(content)
    (cut,) = Path(address).rglob("cut.parquet")
    cut.write_bytes(cut.read_bytes()[:-3])
    counts = join(spec_of(), address, NONE, LATER, DAY, DAY, tmp_path)
    assert counts == OutcomeCounts(served=3, settled=3, torn=2)
    assert [(one["position"], one["kind"]) for one in joined(tmp_path)] == [(0, "a"), (1, "a"), (2, "5")]


def test_an_outcome_of_another_day_is_no_orphan(tmp_path: Path) -> None:
    rows = [line("a/0/0", START - 1), line("b/0/0", START), line("c/0/0", START + 24 * HOUR)]
    found = [outcome("a/0/0", 1), outcome("b/0/0", 2), outcome("gone/0/0", 3), outcome("c/0/0", 4)]
    stored = write_outcomes(f"{tmp_path}/outcomes", found)
    for place in (write_lines(tmp_path / "lines", rows), write_parts(f"{tmp_path}/parts", rows)):
        counts = join(spec_of(), place, stored, LATER, DAY, DAY, tmp_path)
        assert counts == OutcomeCounts(served=1, outcomes=2, matched=1, settled=1, orphan=1)


@pytest.mark.parametrize(("like", "orphans"), [("2h", 1), (None, 0)])
def test_an_outcome_is_looked_for_on_the_days_whose_outcomes_may_come(
    like: str | None, orphans: int, tmp_path: Path
) -> None:
    rows = [line("old/0/0", START - 72 * HOUR), line("b/0/0", START)]
    stored = write_outcomes(f"{tmp_path}/outcomes", [outcome("old/0/0", 1)])
    place = write_lines(tmp_path / "lines", rows)
    assert join(spec_of("2h", like), place, stored, LATER, DAY, DAY, tmp_path).orphan == orphans


def test_a_task_that_is_not_defined_on_a_row_has_no_label(tmp_path: Path) -> None:
    rows = [line("a/0/0", START), line("a/0/1", START, surface="notification")]
    spec = spec_of()
    tasks = {**spec.tasks, "click": spec.tasks["click"].model_copy(update={"filter": {"surface": ["notification"]}})}
    filtered = spec.model_copy(update={"tasks": tasks})
    join(filtered, write_lines(tmp_path / "lines", rows), NONE, LATER, DAY, DAY, tmp_path)
    assert labels(tmp_path) == [None, 0]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ({"placement": ["notification"]}, [None, 0]),
        ({"reader": [2], "item": [7]}, [None, 0]),
        ({"kind": ["a"]}, [0, 0]),
        ({"settled_time": [1]}, [None, None]),  # it is not served
    ],
)
def test_a_filter_names_columns_of_the_table_of_impressions(kept: Any, expected: list[Any], tmp_path: Path) -> None:
    rows = [line("a/0/0", START), line("a/0/1", START, surface="notification", member=2)]
    spec = spec_of(surface="placement", member={"node": "member", "column": "reader"})
    tasks = {**spec.tasks, "click": spec.tasks["click"].model_copy(update={"filter": kept})}
    filtered = spec.model_copy(update={"tasks": tasks})
    join(filtered, write_lines(tmp_path / "lines", rows), NONE, LATER, DAY, DAY, tmp_path)
    assert labels(tmp_path) == expected


def test_features_may_be_named_like_words_of_ours(tmp_path: Path) -> None:
    context = {"torn": "number", "order": "category", "key": "number", "Select": "number"}
    spec = spec_of(context=context)
    rows = [line("a/0/0", START, features={"torn": 1.5, "order": "x", "key": 2, "Select": None})]
    for place in (write_lines(tmp_path / "lines", rows), write_parts(f"{tmp_path}/parts", rows)):
        assert join(spec, place, NONE, LATER, DAY, DAY, tmp_path).served == 1
        (found,) = joined(tmp_path)
        assert [found[name] for name in context] == [1.5, "x", 2, None]


@pytest.mark.parametrize("days", [1, 2])
def test_nothing_served_gives_empty_files(tmp_path: Path, days: int) -> None:
    last = f"2026-01-0{days}"
    assert join(spec_of(), tmp_path / "missing", NONE, LATER, DAY, last, tmp_path) == OutcomeCounts()
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        f"day=2026-01-0{one}.parquet" for one in range(1, days + 1)
    ]
    assert joined(tmp_path) == []
    join(spec_of(), write_parts(f"{tmp_path}/parts", [line("a/0/0", START)]), NONE, LATER, DAY, DAY, tmp_path / "some")
    some, none = (pq.read_schema(folder / f"day={DAY}.parquet") for folder in (tmp_path / "some", tmp_path))
    assert some == none


def test_what_a_killed_join_left_is_removed_and_the_files_are_the_same(tmp_path: Path) -> None:
    place = write_lines(tmp_path / "lines", [line("a/0/0", START)])
    join(spec_of(), place, NONE, LATER, DAY, DAY, tmp_path / "once")
    scratch = tmp_path / "again" / ".scratch"
    scratch.mkdir(parents=True)
    (scratch / f"lines-{DAY}.parquet").write_bytes(b"PAR1 of a killed call")
    join(spec_of(), place, NONE, LATER, DAY, DAY, tmp_path / "again")
    once, again = (list((tmp_path / name).iterdir()) for name in ("once", "again"))
    assert [one.name for one in once] == [one.name for one in again]
    assert once[0].read_bytes() == again[0].read_bytes()


def test_a_join_that_ends_early_leaves_whole_days_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [line("a/0/0", START), line("b/0/0", START + 24 * HOUR)]
    place, last = write_parts(f"{tmp_path}/parts", rows), "2026-01-02"
    whole = join(spec_of(), place, NONE, LATER, DAY, last, tmp_path / "whole")
    counts, calls = Labels.counts, list[str]()

    def second_fails(labels: Labels, rows: str) -> str:
        calls.append(rows)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return counts(labels, rows)

    monkeypatch.setattr(Labels, "counts", second_fails)
    with pytest.raises(KeyboardInterrupt):
        join(spec_of(), place, NONE, LATER, DAY, last, tmp_path / "again")
    assert [one.name for one in (tmp_path / "again").iterdir()] == [f"day={DAY}.parquet"]
    assert join(spec_of(), place, NONE, LATER, DAY, last, tmp_path / "again") == whole
    for day in (DAY, last):
        files = [tmp_path / name / f"day={day}.parquet" for name in ("whole", "again")]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_rows_of_the_table_are_outcomes_of_the_candidate_that_they_name(tmp_path: Path) -> None:
    rows = [line("a/0/0", START), line("a/0/1", START), line("b/0/0", START + 1), line("c/0/0", START + 2)]
    ids = ["a/0/0", "a/0/0", "b/0/0", "unknown/0/0"]
    table = impressions(tmp_path, [START + 5, START + 6, START, START], [1, 0, 0, 1], ids)
    spec, place = spec_of(None, served="answer"), write_lines(tmp_path / "lines", rows)
    counts = join(spec, place, NONE, LATER, DAY, DAY, tmp_path, table)
    assert labels(tmp_path) == [1, None, 0, None]
    assert (counts.matched, counts.duplicate, counts.orphan, counts.settled) == (4, 2, 2, 2)
    # once outcomes are sent, a slate that the table does not know is settled without one
    stored = write_outcomes(f"{tmp_path}/outcomes", [outcome("b/0/0", 1)])
    join(spec, place, stored, LATER, DAY, DAY, tmp_path, table)
    assert labels(tmp_path) == [1, None, 1, 0]
    other = impressions(tmp_path, [START + 5], [1], ["a/0/0"], item=8)
    join(spec, place, NONE, LATER, DAY, DAY, tmp_path, other)
    assert labels(tmp_path) == [None] * 4


def test_rows_without_an_id_belong_to_the_last_candidate_before_them(tmp_path: Path) -> None:
    times = [START + 22 * HOUR, START + 23 * HOUR, START + 25 * HOUR, START + 26 * HOUR]
    rows = [line(None, time, request=str(time)) for time in times] + [line("a/0/0", START + 30 * HOUR, item=8)]
    place, spec = write_lines(tmp_path / "lines", rows), spec_of(None)
    shown = [times[0] + 1, times[3], START + 49 * HOUR + 1, START + 60 * HOUR]
    table = impressions(tmp_path, shown, [1, 1, 1, 1], [None] * 4)
    join(spec, place, NONE, LATER, DAY, "2026-01-02", tmp_path, table)
    # the one at 23 h and that at 25 h would take the row of the one at 26 h; the last came too late
    assert labels(tmp_path) == [1, None]
    assert labels(tmp_path, "2026-01-02") == [None, 1, None]


def test_a_row_of_the_table_counts_once_its_attribution_has_passed_and_the_table_goes_on(tmp_path: Path) -> None:
    rows = [line(f"{name}/0/0", START + hour * HOUR) for hour, name in enumerate("abc")]
    table = impressions(tmp_path, [START + h * HOUR for h in (0, 2, 4)], [0, 1, 0], ["a/0/0", "b/0/0", "c/0/0"])
    place, spec = write_lines(tmp_path / "lines", rows), spec_of("2h", served="answer")
    for now, expected in ((2 * HOUR - 1, [None] * 3), (2 * HOUR, [0, None, None]), (90 * HOUR, [0, 1, None])):
        join(spec, place, NONE, START + now, DAY, DAY, tmp_path, table)
        assert labels(tmp_path) == expected
