import dataclasses
from pathlib import Path

import pytest

from monitoring.days import summarize
from monitoring.days.store import inputs_of, read_days, write_day
from monitoring.errors import SummaryError
from tests.monitoring.days.test_summarize import COUNTS, SPEC, TODAY, joined

SUMMARY = summarize(SPEC, joined(), TODAY, COUNTS)


def test_summaries_are_read_back_in_order(tmp_path):
    storage, later = str(tmp_path), dataclasses.replace(SUMMARY, day="2026-03-03")
    for summary in (later, SUMMARY, SUMMARY):
        write_day(storage, "small", summary, "abc")
    (tmp_path / "monitoring" / "small" / "days" / "notes.json").write_text("{}")

    assert read_days(storage, "small") == [SUMMARY, later]
    assert read_days(storage, "small", first="2026-03-03") == [later]
    assert read_days(storage, "small", before="2026-03-03") == [SUMMARY]
    assert read_days(storage, "other") == []
    assert inputs_of(storage, "small", TODAY) == "abc"
    assert inputs_of(storage, "small", "2026-01-01") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"inputs": "a", "summary": {}}', '{"inputs": "a", "summary": 1}'])
def test_a_file_that_is_no_summary_is_refused(tmp_path, text):
    address = write_day(str(tmp_path), "small", SUMMARY, "abc")
    Path(address).write_text(text)

    with pytest.raises(SummaryError):
        read_days(str(tmp_path), "small")


def test_a_summary_under_another_day_is_refused(tmp_path):
    address = write_day(str(tmp_path), "small", SUMMARY, "abc")
    Path(address).with_name("2026-03-09.json").write_bytes(Path(address).read_bytes())

    with pytest.raises(SummaryError, match="2026-03-09"):
        read_days(str(tmp_path), "small")
