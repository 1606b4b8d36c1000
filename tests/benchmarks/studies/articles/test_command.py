"""The command at its tiny size, with predictions out of nothing in place of the fits."""

import json
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.studies.articles import __main__ as articles
from benchmarks.studies.articles import page
from benchmarks.studies.articles.prepare import SPEC, spec_drawn
from benchmarks.studies.articles.rows import IDS, NETWORK, NEWCOMER, NO_AGE, PAIR, TREES, compared, explaining, lines
from benchmarks.studies.fitting import Setting
from benchmarks.studies.row import Row
from models.features import impression_features
from tests.benchmarks.studies.small import pretend

COLUMN = "validate_auc_click"


def fit_rows(setting: Setting, rows: list[Row], seeds: list[int], jobs: int, say) -> None:
    """Predictions that know a little of the labels, the pair's most."""
    graph = setting.load()
    labels = graph.seeds.labels[graph.seeds.rows(setting.window)].double().numpy()
    for row in rows:
        row.change and row.change(graph)
        for seed in seeds:
            noise = np.random.default_rng(seed).random(labels.shape)
            pretend(setting, graph, row, seed, 0.4 * noise + (0.5 if row.name == PAIR else 0.3) * labels)


def test_the_page_says_why_one_is_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(articles, "fit_rows", fit_rows)
    folders = ["--folder", str(tmp_path / "kept"), "--out", str(tmp_path)]
    status = articles.main(["--size", "tiny", "--draws", "20", *folders])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == (found["broken"] > 0)
    assert found["default"] in (PAIR, NETWORK)
    assert len(found["bars"]) == 4
    text = (tmp_path / "articles.md").read_text()
    for part in (
        NEWCOMER,
        TREES,
        page.ORACLE,
        "## What each is worth",
        "## Negatives drawn by popularity",
        "--world 7",
    ):
        assert part in text
    assert str(tmp_path) not in text
    assert "Not fitted" not in text
    figures = json.loads((tmp_path / "articles.json").read_text())
    assert {NEWCOMER, PAIR, NETWORK, TREES, NETWORK + NO_AGE, NETWORK + IDS, page.ORACLE} <= set(figures)
    assert figures[page.ORACLE]["click"]["auc"]["value"] > 0.75
    assert (tmp_path / "articles.svg").is_file()


def test_each_row_has_its_lines_and_the_spec_has_the_columns() -> None:
    names = [name for row in compared() + explaining() for name in lines(row)]
    assert len(set(names)) == len(names) == 7
    spec = spec_drawn("popular", 3)
    assert spec.source.options["drawn"] == "popular"
    assert "age_hours_log" in {feature.name for feature in impression_features(spec)}
    given = SPEC.read_text(encoding="utf-8")
    assert "\nmodel:" not in given  # the defaults are what is studied
    assert "\ntraining:" not in given
    assert "id_buckets:" not in given


def test_a_default_below_trees_is_a_broken_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Compared:
        truth = Namespace(primary="click")

        def difference(self, line: str, other: str, metric: str, task: str) -> Namespace:
            return Namespace(value=-0.001 if (line, other) == (NETWORK, NEWCOMER) else 0.001)

    bars = articles._bars({"uniform": Compared()}, NETWORK)
    assert bars == {"uniform_default_not_below_plain_LightGBM": False, "uniform_default_not_below_trees": True}
