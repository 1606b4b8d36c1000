"""The benchmark of PageRank in attention, tiny."""

import json
import sys

import pytest
import torch

from benchmarks import ppr_attention
from benchmarks.ppr_attention import citations, figures_of


def test_it_fits_every_variant_and_holds_its_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["ppr_attention", "--graphs", "1", "--seeds", "1", "--epochs", "1"])
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)
    monkeypatch.setattr(ppr_attention, "citations", lambda seed: citations(seed, nodes=200, classes=2))
    monkeypatch.setattr(ppr_attention, "STOPPED_ON", 50)
    assert ppr_attention.main() == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["broken"] == 0
    assert all(0 < found[name] < 100 for name in ("gatv2", "gatv2_p", "gat", "gat_p", "gatv2_p_top"))


def test_graphs_are_like_citations() -> None:
    one, other = citations(3), citations(3)
    assert all(torch.equal(vars(one)[name], value) for name, value in vars(other).items())
    assert len(one.train) == 6 * 20
    assert one.y[one.train].bincount().tolist() == [20] * 6
    parts = torch.cat([one.train, one.validate, one.test])
    assert len(parts) == len(parts.unique()) == 120 + 500 + 1000
    assert torch.equal(one.edge_index.flip(0).unique(dim=1), one.edge_index)
    assert 0.75 < (one.y[one.edge_index[0]] == one.y[one.edge_index[1]]).float().mean() < 0.9
    assert len(one.edge_index.unique()) < len(one.y)  # some have no edge


def test_differences_are_paired() -> None:
    found = {name: [0.5, 0.7] for name in ("gatv2", "gat", "gat_p", "gatv2_p_top")}
    figures = figures_of({**found, "gatv2_p": [0.51, 0.69]})
    assert figures["gatv2_p_minus_gatv2"] == pytest.approx(0)
    assert figures["gatv2_p_minus_gatv2_error"] == pytest.approx(1)
