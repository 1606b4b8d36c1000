"""Settled days are summarized and judged once, in order, wherever a run is killed."""

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitoring import judged_days
from monitoring.days.columns import number_column
from monitoring.errors import SummaryError
from monitoring.judged_days import Judged, judge_days, newest_settled, read_summary
from monitoring.verdict import State
from monitoring.verdicts import newest_verdict, read_verdict, verdict_days
from tests.monitoring.served_days import FIRST, SPEC, FakeLog, joined, noon

ROLES = {"champion": "1"}
START = FIRST.date()


def judged(log: FakeLog, storage: Path, day: int, first: date | None = START) -> Judged:
    """Judge at noon of a day: the newest settled one is two days before."""
    return judge_days(SPEC, str(storage), log.join, first, ROLES, noon(day))


def test_a_day_is_settled_once_its_outcomes_have_had_their_time() -> None:
    assert newest_settled(SPEC, noon(3)) == date(2026, 1, 6)
    assert newest_settled(SPEC, noon(3) + 12 * 3_600_000_000 - 1) == date(2026, 1, 6)
    assert newest_settled(SPEC, noon(3) + 12 * 3_600_000_000) == date(2026, 1, 7)


def test_a_product_that_has_served_nothing_is_watched(tmp_path: Path) -> None:
    found = judged(log := FakeLog({}), tmp_path, 5, first=None)
    assert (found.verdict.state, found.verdict.cause) == (State.WATCH, "log.not_served")
    assert found.verdict.evidence[0].text == "Nothing was served yet"
    assert (log.asked, found.days) == ([], ())
    assert newest_verdict(str(tmp_path), SPEC.name) == found.verdict


def test_rows_that_are_not_settled_are_not_judged(tmp_path: Path) -> None:
    found = judged(FakeLog({4: joined(4)}), tmp_path, 5, first=date(2026, 1, 9))
    assert found.verdict.evidence[0].text.startswith("No day is settled yet: rows were served from 2026-01-09")


def test_every_day_is_judged_once_and_the_newest_again(tmp_path: Path) -> None:
    log = FakeLog({day: joined(day) for day in range(10)})
    found = judged(log, tmp_path, 5)
    assert log.asked == [f"2026-01-0{day}" for day in range(5, 9)] == [one.day for one in found.days]
    assert verdict_days(str(tmp_path), SPEC.name) == log.asked
    assert (found.verdict.day, found.verdict.versions) == ("2026-01-08", ROLES)
    log.asked.clear()
    assert judged(log, tmp_path, 5) == found
    assert log.asked == ["2026-01-08"]
    later = judged(log, tmp_path, 7)
    assert log.asked == ["2026-01-08", "2026-01-09", "2026-01-10"]
    assert [one.day for one in later.days][-2:] == ["2026-01-09", "2026-01-10"]
    assert read_verdict(str(tmp_path), SPEC.name, "2026-01-08") == found.verdict


def test_a_fault_is_found_among_quiet_days(tmp_path: Path) -> None:
    log = FakeLog({day: joined(day) for day in range(13)})
    assert judged(log, tmp_path, 14).verdict.state in (State.HEALTHY, State.WATCH)
    found = judged(log, tmp_path, 16).verdict  # nothing was served on two days
    assert (found.state, found.cause) == (State.DATA_FAULT, "log.empty")
    assert (found.since, found.day) == ("2026-01-18", "2026-01-19")


@pytest.mark.parametrize("place", ["_write_summary", "write_verdict"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_killed_run_comes_to_the_same_verdicts(
    place: str, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = FakeLog({day: joined(day) for day in range(4)})
    whole = judged(log, tmp_path / "whole", 5)
    original, calls = getattr(judged_days, place), list[object]()

    def killed(*given: object) -> None:
        calls.append(given)
        if len(calls) > number:
            raise KeyboardInterrupt
        original(*given)

    with monkeypatch.context() as broken:
        broken.setattr(judged_days, place, killed)
        with pytest.raises(KeyboardInterrupt):
            judged(log, tmp_path / "killed", 5)
    assert judged(log, tmp_path / "killed", 5) == whole
    for day in verdict_days(str(tmp_path / "whole"), SPEC.name):
        assert read_verdict(str(tmp_path / "killed"), SPEC.name, day) == read_verdict(
            str(tmp_path / "whole"), SPEC.name, day
        )


def test_a_summary_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    judged(FakeLog({0: joined(0)}), tmp_path, 2)
    path = tmp_path / "monitoring" / SPEC.name / "days" / "2026-01-05.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(SummaryError, match=r"2026-01-05\.json"):
        read_summary(str(tmp_path), SPEC.name, "2026-01-05")


def test_rows_of_a_future_day_are_a_fault_of_the_day_on_which_they_came(tmp_path: Path) -> None:
    log = FakeLog({day: joined(day) for day in range(15)})
    assert judged(log, tmp_path, 14).verdict.state in (State.HEALTHY, State.WATCH)
    log.ahead = 100
    for _ in range(2):  # run again, it is still that day's
        found = judged(log, tmp_path, 15).verdict
        assert (found.cause, found.day) == ("log.clock", "2026-01-18")
    assert judged(log, tmp_path, 16).verdict.cause != "log.clock"


def test_a_day_is_judged_with_the_versions_that_served_on_it(tmp_path: Path) -> None:
    log = FakeLog({day: joined(day) for day in range(5)})
    first = judged(log, tmp_path, 5).verdict
    assert first.versions == {"champion": "1"}
    promoted = {"champion": "2", "previous": "1"}  # after that day
    again = judge_days(SPEC, str(tmp_path), log.join, START, promoted, noon(5)).verdict
    assert again == first
    later = judge_days(SPEC, str(tmp_path), log.join, START, promoted, noon(6)).verdict
    assert (later.day, later.versions) == ("2026-01-09", {"champion": "1"})


def test_the_champion_of_a_day_stays_the_one_of_its_verdict(tmp_path: Path) -> None:
    table = joined(0)
    mixed = table.set_column(table.schema.get_field_index("model_version"), "model_version", [["1"] * 50 + ["3"] * 150])
    log = FakeLog({0: mixed})
    for roles in ({"champion": "1", "canary": "3"}, {"champion": "2", "canary": "3"}):
        found = judge_days(SPEC, str(tmp_path), log.join, START, roles, noon(2)).verdict
        assert found.versions == {"champion": "1", "canary": "3"}


def test_days_that_are_judged_late_have_the_roles_of_then(tmp_path: Path) -> None:
    def of(day: int, *versions: str) -> pa.Table:
        table = joined(day)
        place = table.schema.get_field_index("model_version")
        return table.set_column(place, "model_version", [np.repeat(versions, 200 // len(versions))])

    log = FakeLog({0: of(0, "1"), 1: of(1, "1", "1", "1", "2"), 2: of(2, "2"), 3: of(3, "2", "3")})
    judge_days(SPEC, str(tmp_path), log.join, START, {"champion": "3", "previous": "2"}, noon(5))
    found = [read_verdict(str(tmp_path), SPEC.name, day).versions for day in verdict_days(str(tmp_path), SPEC.name)]
    trial = {"champion": "1", "canary": "2"}
    assert found == [{"champion": "1"}, trial, {"champion": "2"}, {"champion": "2", "canary": "3"}]


def test_a_days_summary_has_the_columns_of_nodes_beside_those_of_the_log(tmp_path: Path) -> None:
    own = {name: {**number_column(np.ones(200)), "node": True} for name in ("title (length)", "hour")}
    given = (str(tmp_path), FakeLog({3: joined(3)}).join, START, ROLES, noon(5))
    found = judge_days(SPEC, *given, nodes=lambda rows: own if len(rows) else {})
    columns = found.days[-1].columns
    assert columns["title (length)"] == own["title (length)"]
    assert "node" not in columns["hour"]  # the log's own
    assert read_summary(str(tmp_path), SPEC.name, "2026-01-08").columns == columns
