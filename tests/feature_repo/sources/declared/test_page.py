"""The blocks of docs/tables.md: their tables are checked, and the shop's are read."""

import re
from pathlib import Path

import pandas as pd
import yaml

from feature_repo.sources.declared.checks import check
from tests.feature_repo.sources.declared.shop import ingested, shop_folder, shop_spec, tables

PAGE = Path(__file__).parents[4] / "docs" / "tables.md"


def blocks() -> list[dict]:
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)]


def test_the_shop_of_the_page(tmp_path: Path) -> None:
    text = """id,shown_ms,stay_ms,user,product,page type,event,bot
1,1767258000000,1500,1,b,feed,click,0
2,1767344400000,0,1,a,mail,none,0
3,1767344460000,0,1,a,mail,none,1
4,1767603600000,5,2,b,feed,none,0
"""
    raw = shop_folder(tmp_path / "raw", impressions=text)
    (raw / "prices").mkdir()
    (raw / "prices" / "1.csv").write_text("product,since,price\nb,2026-01-01 09:59:00,3\nb,2026-01-01 10:00:00,4\n")
    declared = tables(**blocks()[0]["source"]["tables"])
    declared["impressions"], declared["prices"] = (
        blocks()[0]["source"]["tables"][name] for name in ("impressions", "prices")
    )
    found = ingested(shop_spec(declared), raw, tmp_path, "impressions")
    assert found["clicked"].tolist() == [1, 0, 0]
    assert found["price"].fillna(-1).tolist() == [3, -1, 4]  # 10:00 in Berlin is the time of the first impression
    assert found["time"][0] == pd.Timestamp("2026-01-01 09:00", tz="UTC")


def test_the_database_of_the_page() -> None:
    source = blocks()[1]["source"]
    check(
        shop_spec(
            tables(**{name: {"files": None, **table} for name, table in source["tables"].items()}),
            database=source["database"],
        )
    )
