from pathlib import Path

import pytest

from benchmarks.studies import build
from models.graph.store import TemporalGraph

SPEC = Path(__file__).parents[3] / "configs" / "professional.yaml"


def test_the_graph_of_a_spec_with_an_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["build", "--spec", str(SPEC), "--out", str(tmp_path / "graph"), "--option", "size=tiny"]
    monkeypatch.setattr("sys.argv", words)
    assert build.main() == 0
    graph = TemporalGraph.load(tmp_path / "graph")
    assert len(graph.seeds.rows("test"))


def test_a_wrong_option_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["build", "--spec", str(SPEC), "--out", str(tmp_path / "graph"), "--option", "size=small"]
    monkeypatch.setattr("sys.argv", words)
    assert build.main() == 1
    assert "expected one of tiny, default, large; found 'small'" in capsys.readouterr().err
    assert not (tmp_path / "graph").exists()
