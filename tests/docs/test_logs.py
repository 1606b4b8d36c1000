"""docs/logs.md: every fragment is a part of the tutorial's spec, and the whole is one that runs would accept."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.examples import examples
from benchmarks.served_world import ROOT
from benchmarks.shop import write
from feature_repo.sources.adapters import check
from feature_repo.sources.guess import guess
from models.spec import parse_spec

FRAGMENTS = examples(ROOT / "docs" / "logs.md")
WHOLE = {"tasks", "edges", "counters", "windows", "sample_negatives", "views"}
"""Keys that a fragment replaces; others are merged."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("shop")
    write(folder / "shop", dt.date(2026, 3, 2), 6)
    guess(folder / "shop", folder / "shop.yaml")
    return yaml.safe_load((folder / "shop.yaml").read_text(encoding="utf-8"))


def merged(whole: Any, part: Any) -> Any:
    if not (isinstance(whole, dict) and isinstance(part, dict)):
        return part
    found = {**whole, **{key: value if key in WHOLE else merged(whole.get(key), value) for key, value in part.items()}}
    return {key: value for key, value in found.items() if value is not None}


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=str)
def test_a_fragment_makes_a_spec(fragment: Any, shop: dict[str, Any]) -> None:
    spec = parse_spec(yaml.safe_dump(merged(shop, yaml.safe_load(fragment.text))), str(fragment))
    check(spec, str(fragment))


def test_every_kind_of_log_has_one() -> None:
    page = Path(ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    sections = page.split("\n## ")[1:]
    assert len(FRAGMENTS) == len(sections) == 7
    for section in sections:
        assert all(f"**{word}**" in section for word in ("Declare", "Expect", "What does not work")), section[:30]
