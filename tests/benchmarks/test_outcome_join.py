"""The benchmark of the join, tiny."""

import json
import sys

import pytest

from benchmarks import outcome_join


def test_every_count_and_label_is_exact(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["outcome_join", "--rows", "2000"])
    monkeypatch.setattr(outcome_join, "in_a_process", outcome_join.measured)
    monkeypatch.setattr(outcome_join, "_CUTS", 1)
    assert outcome_join.main() == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["broken"] == 0
    assert {"parts_counts", "lines_counts", "parts_labels", "lines_labels", "settled_ctr"} <= found["bars"].keys()
    assert found["summary_rows"] == 2000
    assert min(found[name] for name in ("duplicate", "orphan", "late", "torn", "matched")) > 0
