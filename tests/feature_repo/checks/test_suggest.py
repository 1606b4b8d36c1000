"""Windows and fan-outs that fit the log."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
import yaml

from feature_repo.checks.check import check_product
from feature_repo.checks.suggest import Log, suggested_fan_outs, window_days
from models.spec import load_spec
from tests.feature_repo.checks.world import Tables, spec_file, tables
from tests.feature_repo.sources.fakes import small_spec

__all__ = ["spec_file", "tables"]


@pytest.mark.parametrize(
    ("last", "rows", "before", "expected"),
    [
        ("2026-01-04", 100, 0, None),
        ("2026-01-05", 100, 0, (1, 1, 1, 1, 1)),
        ("2026-01-14", 140_000, 0, (4, 7, 1, 1, 1)),  # short and dense: single days judge
        ("2026-01-14", 140_000, 30, (1, 10, 1, 1, 1)),  # other tables have the history
        ("2027-12-31", 14_600, 0, (172, 258, 100, 100, 100)),  # long and sparse: months
        ("2026-12-31", 365_000_000, 0, (35, 2, 1, 1, 1)),
    ],
)
def test_windows_follow_the_rows_of_a_day(last: str, rows: int, before: int, expected: tuple[int, ...] | None) -> None:
    log = Log(date(2026, 1, 1), date.fromisoformat(last), rows, rows // 3)
    found = window_days(log, before)
    assert (found and tuple(found.values())) == expected
    assert found is None or sum(found.values()) <= log.days


def test_a_rare_outcome_makes_the_windows_longer() -> None:
    log = Log(date(2026, 1, 1), date(2026, 4, 10), 1_000_000, 1_000)
    found = window_days(log)
    assert found is not None
    assert found["gate"] == 16  # a sixth of the log: 200 positives would need twenty days


def test_windows_that_miss_the_log_are_replaced_and_can_be_pasted(
    tables: Tables, spec_file: Callable[..., Path]
) -> None:
    outside = spec_file(lambda document: document["windows"].update(start=date(2024, 1, 1)))
    report = check_product(outside, None)
    (one,) = report.suggestions
    assert "the spec's windows do not fit it" in one.sentence
    text = outside.read_text(encoding="utf-8")
    assert report.errors
    outside.write_text(yaml.safe_dump(yaml.safe_load(text) | yaml.safe_load(one.yaml)), encoding="utf-8")
    assert load_spec(outside).windows.days == 40
    again = check_product(outside, None)
    assert again.errors == []
    assert [found for found in again.suggestions if "windows" in found.yaml] == []


def test_fan_outs_follow_the_degrees() -> None:
    spec = small_spec()  # fan-outs of 2 and 1, the same back
    degrees = {"median": 1.0, "p75": 7.5, "p90": 40.0}
    edges = {"clicked": {"of_source": degrees, "of_target": {"median": 1.0, "p75": 1.0, "p90": 1.0}}}
    (one,) = suggested_fan_outs(spec, edges)
    assert yaml.safe_load(one.yaml) == {"edges": {"clicked": {"fan_out": [8, 1], "reverse_fan_out": [1, 1]}}}
    many = dict.fromkeys(degrees, 5_000.0)
    (one,) = suggested_fan_outs(spec, {"clicked": {"of_source": many, "of_target": many}})
    assert yaml.safe_load(one.yaml)["edges"]["clicked"]["fan_out"] == [10, 1]
    none = dict.fromkeys(degrees, 0.0)
    assert list(suggested_fan_outs(spec, {"clicked": {"of_source": none, "of_target": none}})) == []
