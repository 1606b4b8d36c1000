"""A data fault that is wanted: accepted once, and the days since it began are the new normal."""

import json
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pyarrow as pa
import pytest

from monitoring import acceptance
from monitoring.acceptance import accept, read_accepted
from monitoring.errors import VerdictError
from monitoring.judged_days import judge_days
from monitoring.verdict import ACTIONS, Alarm, State, Verdict
from monitoring.verdicts import check_not_frozen, newest_verdict, page, read_verdict, verdict_days, write_verdict
from tests.monitoring.served_days import FIRST, SPEC, FakeLog, joined, noon
from tests.monitoring.verdicts import verdict
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "s3_server"]

SHIFT = "features.shift"
WHY = "hours are local ones now"


def moved(day: int, column: str = "hour", by: float = 50.0) -> pa.Table:
    table = joined(day)
    return table.set_column(table.column_names.index(column), column, pa.array(table[column].to_numpy() + by))


def judged(log: FakeLog, storage: Path, newest: int) -> Verdict:
    """Judge up to the day with this number."""
    return judge_days(SPEC, str(storage), log.join, FIRST.date(), {"champion": "1"}, noon(newest + 2)).verdict


def test_what_is_accepted_is_the_new_normal_and_what_changes_later_is_found(tmp_path: Path) -> None:
    log = FakeLog({day: joined(day) for day in range(9)} | {day: moved(day) for day in range(9, 19)})
    assert judged(log, tmp_path, 10).cause == SHIFT
    assert check_not_frozen(SPEC, str(tmp_path)) is not None

    left = accept(str(tmp_path), SPEC.name, SHIFT, WHY, "Ada")
    assert left.state in (State.HEALTHY, State.WATCH)
    assert newest_verdict(str(tmp_path), SPEC.name) == left
    assert check_not_frozen(SPEC, str(tmp_path)) is None
    (one,) = read_accepted(str(tmp_path), SPEC.name)
    assert (one.cause, one.subject, one.since, one.day) == (SHIFT, "hour", "2026-01-14", "2026-01-15")
    assert f"accepted: {SHIFT} hour since 2026-01-14: {WHY} (Ada, " in page(SPEC.name, left, str(tmp_path))

    assert judged(log, tmp_path, 10).state in (State.HEALTHY, State.WATCH)  # again
    calm = judged(log, tmp_path, 18)
    days = verdict_days(str(tmp_path), SPEC.name)[-9:]
    assert {read_verdict(str(tmp_path), SPEC.name, day).state for day in days} <= {State.HEALTHY, State.WATCH}
    assert calm.accepted == (one,)
    log.days |= FakeLog({19: joined(19), 20: moved(20)}).days
    back = judged(log, tmp_path, 19)
    assert (back.state, back.evidence[0].cause, back.evidence[0].subject) == (State.DATA_FAULT, SHIFT, "hour")
    assert judged(log, tmp_path, 20).state in (State.HEALTHY, State.WATCH)


def test_a_fault_of_another_column_is_found_at_once(tmp_path: Path) -> None:
    log = FakeLog({day: joined(day) for day in range(9)} | {9: moved(9)})
    judged(log, tmp_path, 9)
    accept(str(tmp_path), SPEC.name, SHIFT, WHY, "Ada")
    both = moved(10)
    column = both.column_names.index("member_total_like_rate")
    log.days |= FakeLog({10: both.set_column(column, "member_total_like_rate", pa.array(np.full(200, 7.0)))}).days
    found = judged(log, tmp_path, 10)
    assert (found.cause, found.evidence[0].subject) == ("features.constant", "member_total_like_rate")


@pytest.mark.parametrize("killed", [False, True])
def test_it_is_accepted_once(tmp_path: Path, killed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = str(tmp_path)
    for day in ("2026-01-06", "2026-01-07"):
        write_verdict(storage, "small", verdict(State.DATA_FAULT, day))
    if killed:
        with monkeypatch.context() as broken:
            broken.setattr(acceptance, "write_verdict", Mock(side_effect=KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                accept(storage, "small", "features.null", WHY, "Ada")
    found = [accept(storage, "small", "features.null", reason, "Ada") for reason in (WHY, "again")]
    assert found[0] == found[1] == newest_verdict(storage, "small")
    assert found[0].state == State.HEALTHY
    (one,) = read_accepted(storage, "small")
    assert (one.reason, one.since) == (WHY, "2026-01-06")
    (file,) = tmp_path.rglob("accepted-*.json")
    assert json.loads(file.read_text(encoding="utf-8"))["accepted"] == [one.to_json()]


def test_what_is_left_names_the_next_cause(tmp_path: Path) -> None:
    first, second, third = (
        Alarm("traffic", "traffic.surface", "email", "no rows", State.DATA_FAULT),
        Alarm("features", SHIFT, "hour", "moved", State.DATA_FAULT),
        Alarm("labels", "labels.duplicate", "", "twice", State.WATCH),
    )
    write_verdict(str(tmp_path), "small", verdict(State.DATA_FAULT, evidence=(first, third, second)))
    left = accept(str(tmp_path), "small", "traffic.surface", "closed", "Ada")
    assert (left.state, left.cause, left.evidence) == (State.DATA_FAULT, SHIFT, (second, third))
    left = accept(str(tmp_path), "small", SHIFT, "closed", "Ada")
    assert (left.state, left.cause) == (State.WATCH, "labels.duplicate")
    assert [one.cause for one in left.accepted] == ["traffic.surface", SHIFT]


@pytest.mark.parametrize(("before", "state"), [("1", State.RETRAIN), ("0", State.ROLL_BACK)])
def test_a_version_that_served_before_the_change_is_trained_again(tmp_path: Path, before: str, state: State) -> None:
    fault = verdict(State.DATA_FAULT)
    moved = Alarm("predictions", "predictions.shift", "click", "moved", State.ROLL_BACK)
    write_verdict(str(tmp_path), "small", verdict(State.HEALTHY, "2026-01-06", {"champion": before}))
    write_verdict(str(tmp_path), "small", replace(fault, evidence=(*fault.evidence, moved)))
    left = accept(str(tmp_path), "small", "features.null", WHY, "Ada")
    assert (left.state, left.cause, left.action) == (state, "predictions.shift", ACTIONS[state])


def test_only_the_subjects_that_are_named_are_accepted(tmp_path: Path) -> None:
    storage = str(tmp_path)
    first, second = (Alarm("features", "features.null", name, "gone", State.DATA_FAULT) for name in ("age", "device"))
    write_verdict(storage, "small", verdict(State.DATA_FAULT, evidence=(first, second)))
    for wrong in ([], ["hour"]):
        with pytest.raises(VerdictError, match="age, device"):
            accept(storage, "small", "features.null", WHY, "Ada", wrong)
    for _ in range(2):  # again, nothing more is accepted
        left = accept(storage, "small", "features.null", WHY, "Ada", ["age"])
        assert (left.state, left.evidence) == (State.DATA_FAULT, (second,))
    assert [one.subject for one in read_accepted(storage, "small")] == ["age"]
    assert accept(storage, "small", "features.null", WHY, "Ada").state == State.HEALTHY


def test_verdicts_before_the_fault_are_not_read(tmp_path: Path) -> None:
    old = Path(write_verdict(str(tmp_path), "small", verdict(State.DATA_FAULT, "2026-01-05")))
    old.write_text("torn", encoding="utf-8")
    write_verdict(str(tmp_path), "small", verdict(State.HEALTHY, "2026-01-06"))
    write_verdict(str(tmp_path), "small", verdict(State.DATA_FAULT, "2026-01-07"))
    assert accept(str(tmp_path), "small", "features.null", WHY, "Ada").accepted[0].since == "2026-01-07"


def test_only_a_data_fault_of_the_newest_verdict_is_accepted_and_for_a_reason(tmp_path: Path) -> None:
    storage = str(tmp_path)
    with pytest.raises(VerdictError, match="expected a verdict"):
        accept(storage, "small", "features.null", WHY, "Ada")
    write_verdict(storage, "small", verdict(State.DATA_FAULT, "2026-01-06"))
    with pytest.raises(VerdictError, match=r"found features\.null"):
        accept(storage, "small", SHIFT, WHY, "Ada")
    with pytest.raises(VerdictError, match="reason"):
        accept(storage, "small", "features.null", " ", "Ada")
    write_verdict(storage, "small", verdict(State.RETRAIN, "2026-01-07"))
    with pytest.raises(VerdictError, match="found none"):
        accept(storage, "small", "ranking.auc", WHY, "Ada")
    assert not list(tmp_path.rglob("accepted-*"))


@pytest.mark.parametrize("content", ["", "[]", '{"accepted": [{"cause": 1}]}', '{"accepted": [7]}'])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    write_verdict(str(tmp_path), "small", verdict(State.DATA_FAULT))
    accept(str(tmp_path), "small", "features.null", WHY, "Ada")
    (file,) = tmp_path.rglob("accepted-*.json")
    file.write_text(content, encoding="utf-8")
    with pytest.raises(VerdictError, match=r"accepted-2026-01-07-features\.null\.json"):
        read_accepted(str(tmp_path), "small")


def test_it_is_kept_in_object_storage(bucket: str) -> None:
    write_verdict(bucket, "small", verdict(State.DATA_FAULT))
    left = accept(bucket, "small", "features.null", WHY, "Ada")
    assert newest_verdict(bucket, "small") == left
    assert [one.reason for one in read_accepted(bucket, "small")] == [WHY]
