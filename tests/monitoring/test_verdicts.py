"""Where verdicts are, and how one is shown."""

from dataclasses import replace
from pathlib import Path

import pytest

from monitoring.errors import VerdictError
from monitoring.verdict import Alarm, State
from monitoring.verdicts import check_not_frozen, newest_verdict, page, verdict_days, write_verdict
from tests.factories import specs
from tests.monitoring.verdicts import verdict


def test_the_newest_day_counts_whatever_was_written_last(tmp_path: Path) -> None:
    storage = str(tmp_path)
    assert newest_verdict(storage, "small") is None
    for day in ("2026-01-08", "2026-01-07"):
        write_verdict(storage, "small", verdict(State.WATCH, day))
    write_verdict(storage, "other", verdict(State.WATCH, "2026-02-01"))
    (tmp_path / "monitoring" / "small" / "verdicts" / "notes.json").write_text("{}", encoding="utf-8")
    assert verdict_days(storage, "small") == ["2026-01-07", "2026-01-08"]
    assert newest_verdict(storage, "small") == verdict(State.WATCH, "2026-01-08")
    write_verdict(storage, "small", verdict(State.HEALTHY, "2026-01-08"))
    assert newest_verdict(storage, "small") == verdict(State.HEALTHY, "2026-01-08")


def test_a_day_that_has_not_come_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.clock.now", lambda: 1_767_873_600_000_000)  # 2026-01-08 12:00
    for day in ("2026-01-08", "2026-01-09", "2033-01-01"):
        write_verdict(str(tmp_path), "small", verdict(State.WATCH, day))
    assert newest_verdict(str(tmp_path), "small") == verdict(State.WATCH, "2026-01-08")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": "healthy"'])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    address = Path(write_verdict(str(tmp_path), "small", verdict(State.WATCH)))
    address.write_text(content, encoding="utf-8")
    with pytest.raises(VerdictError, match="expected"):
        newest_verdict(str(tmp_path), "small")


@pytest.mark.parametrize("day", ["../../x", "2026-1-7", "", "2026-02-30"])
def test_a_verdict_of_no_day_is_not_written(tmp_path: Path, day: str) -> None:
    with pytest.raises(VerdictError, match="expected a day"):
        write_verdict(str(tmp_path), "small", verdict(State.WATCH, day))
    assert not list(tmp_path.iterdir())


def test_the_page_says_what_to_do_next() -> None:
    text = page("small", verdict(State.RECALIBRATE), "/a state")
    assert text.splitlines()[0] == "small: recalibrate (calibration.ratio)"
    assert "calibration.ratio click: Something is 30 % off." in text
    assert text.endswith(
        "next: python -m pipelines local --spec configs/small.yaml --state '/a state' --pipeline act --for-real"
    )
    assert "evidence" not in page("small", verdict(State.HEALTHY), "/a state")
    assert "pipelines submit --spec configs/small.yaml --storage s3://a/b --pipeline monitoring" in page(
        "small", verdict(State.HEALTHY), "s3://a/b"
    )
    fault = page("small", verdict(State.DATA_FAULT), "s3://a/b")
    assert "(once the fault is gone: docs/runbook.md, features.null" in fault
    assert fault.endswith(
        "python -m pipelines verdict --storage s3://a/b --product small --accept features.null "
        "--subject click --reason TEXT"
    )
    one = Alarm("features", "features.null", "a column", "gone", State.DATA_FAULT)
    several = verdict(State.DATA_FAULT, evidence=(one, replace(one, subject=""), replace(one, cause="features.type")))
    assert "features.null --subject 'a column' --subject '' --reason" in page("small", several, "/a")
    assert "features.null --reason" in page("small", replace(several, evidence=several.evidence[1:]), "/a")
    assert "verdict --state '/a state' --product" in page("small", verdict(State.DATA_FAULT), "/a state")


@pytest.mark.parametrize(
    ("state", "act", "frozen"),
    [(State.DATA_FAULT, "dry_run", True), (State.DATA_FAULT, "off", False), (State.RETRAIN, "on", False)],
)
def test_only_a_data_fault_freezes_training(tmp_path: Path, state: State, act: str, frozen: bool) -> None:
    spec = specs.spec_of(specs.document(monitoring={"act": act}))
    assert check_not_frozen(spec, str(tmp_path)) is None
    write_verdict(str(tmp_path), spec.name, verdict(state))
    found = check_not_frozen(spec, str(tmp_path))
    assert (found is not None) == frozen
    assert found is None or "features.null: Something is 30 % off. Nothing is trained until" in found
