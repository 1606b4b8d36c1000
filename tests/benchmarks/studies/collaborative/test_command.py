"""The command on the tiny simulated world with one block, and the rows of other specs."""

import json
from pathlib import Path

import pytest

from benchmarks.studies.collaborative.__main__ import main
from benchmarks.studies.collaborative.rows import rows, with_kinds
from tests.feature_repo.collaborative.world import block, spec_of

SPEC = Path(__file__).parents[4] / "configs" / "professional.yaml"
BLOCK = """
collaborative:
  watched:
    events: [clicked, ignored, clicked_email, ignored_email]
    outcome: [clicked, clicked_email]
    kinds: [base, item_item]
"""
OPTIONS = ["--option", "size=tiny", "--seeds", "1", "--draws", "10"]


def test_the_page_has_a_line_for_every_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "product.yaml"
    spec.write_text(SPEC.read_text(encoding="utf-8") + BLOCK, encoding="utf-8")
    assert main(["--spec", str(spec), "--out", str(tmp_path / "out"), *OPTIONS]) == 0
    lines = [
        "without",
        "as configured",
        "without base",
        "without item_item",
        "+ ease",
        "+ user_user",
        "+ exact_user_user",
    ]
    figures = json.loads((tmp_path / "out" / "collaborative.json").read_text())
    assert sorted(figures) == sorted(lines)
    auc = {line: figures[line]["click"]["auc"]["value"] for line in lines}
    assert min(auc.values()) > 0.55
    assert len(set(auc.values())) == len(lines)  # each has columns of its own
    page = (tmp_path / "out" / "collaborative.md").read_text()
    assert "--spec configs/product.yaml --option size=tiny --also ease user_user exact_user_user --seeds 1" in page
    assert str(tmp_path) not in page
    assert "| + exact_user_user | 0." in capsys.readouterr().out


def test_a_spec_without_a_block_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--spec", str(SPEC), "--out", str(tmp_path / "out"), *OPTIONS]) == 1
    assert "expected a block in collaborative; found none: add one" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_row_is_refused_before_any_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "product.yaml"
    spec.write_text(SPEC.read_text(encoding="utf-8") + BLOCK, encoding="utf-8")
    assert main(["--spec", str(spec), "--data", "nowhere", "--rows", "with", *OPTIONS]) == 1
    assert "--rows: expected some of without, as configured, without base, " in capsys.readouterr().err


def test_what_each_row_leaves_out() -> None:
    spec = spec_of(block(kinds=["base", "ease"]))
    found = {row.name: row.left_out for row in rows(spec, ["ease", "exact_user_user"])}
    more = {"watched_exact_user_user", "watched_exact_user_user_weight"}
    base = {"watched_base", "watched_member_effect", "watched_item_effect"}
    assert found == {
        "without": more | base | {"watched_ease"},
        "as configured": more,
        "without base": more | base,
        "without ease": more | {"watched_ease"},
        "+ exact_user_user": set(),
    }
    assert [row.name for row in rows(spec_of(block(kinds=["base"])), [])] == ["without", "as configured"]


def test_kinds_are_added_once() -> None:
    spec = with_kinds(spec_of(block(kinds=["ease", "base"])), ["ease", "exact_user_user"])
    assert spec.collaborative["watched"].kinds == ["ease", "base"]
    assert with_kinds(spec_of(block(kinds=["base"])), ["ease"]).collaborative["watched"].kinds == ["base", "ease"]
