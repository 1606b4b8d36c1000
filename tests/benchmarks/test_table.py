import json

import pytest

from benchmarks.table import show


def test_the_last_line_counts_the_bars_that_did_not_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert show("sampling", {"rows": 3, "seconds": 1234.5}, {"faster": True, "identical": False, "small": False}) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == [
        "sampling",
        "  rows       3",
        "  seconds    1,234.50",
        "  faster     held",
        "  identical  broken",
        "  small      broken",
    ]
    assert json.loads(lines[-1]) == {
        "benchmark": "sampling",
        "rows": 3,
        "seconds": 1234.5,
        "bars": {"faster": True, "identical": False, "small": False},
        "broken": 2,
    }


def test_a_benchmark_without_bars_has_none_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert show("empty", {"rows": 0}, {}) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["broken"] == 0
