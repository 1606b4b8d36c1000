"""What PageRank in attention costs: the command, and the rows of the ablation."""

import json
import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.studies import ablation, pagerank_cost
from tests.benchmarks.studies.small import setting, stored_graph


def test_the_command_prints_the_cost_of_both_sides(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_graph(tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(sys, "argv", ["pagerank_cost", "--graph", str(tmp_path / "graph"), "--seeds", "7"])
    assert pagerank_cost.main() == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    for side in ("member", "item"):
        assert found[f"{side}_pagerank_ms"] > 0
        assert 0 < found[f"{side}_neighbors_with_p"] <= 1
    monkeypatch.setattr(sys, "argv", ["pagerank_cost", "--graph", str(tmp_path / "none")])
    assert pagerank_cost.main() == 1
    assert "error: " in capsys.readouterr().err


def test_the_ablation_has_a_row_for_it_on_or_off(tmp_path: Path) -> None:
    graph, where = stored_graph(tmp_path), setting(tmp_path)

    def names(**change: bool) -> list[str]:
        chosen = replace(where, model=replace(where.model, **change))  # type: ignore[arg-type]
        return [row.name for row in ablation.rows(graph, Namespace(without=[]), chosen)]

    assert ablation.PAGERANK in names()
    assert "+ PageRank in attention" not in names()
    assert ablation.PAGERANK not in names(pagerank_attention=True)
    assert "+ PageRank in attention" in names(pagerank_attention=True)
    assert ablation.PAGERANK not in names(graph=False)
