"""A shop whose tables the spec describes: CSV files of impressions, members, items and prices."""

import copy
from pathlib import Path
from typing import Any

import pandas as pd

from feature_repo.sources.adapters import check
from feature_repo.sources.ingest import ingest
from feature_repo.sources.tables import read_table
from models.spec import Spec
from tests.factories import specs

MEMBER, ITEM = ("member", "member_id"), ("item", "item_id")
IMPRESSIONS = """id,ts,user,product,where,event,stay,bot
1,1767258000000,1,b,feed,click,1500,0
2,1767344400000,1,a,feed,none,0,0
3,1767344460000,2,a,mail,click,900,0
4,1767517200000,2,b,feed,none,0,1
5,1767603600000,1,b,mail,none,30,0
"""
MEMBERS = "user,since,age,job\n1,2025-12-01 00:00:00,30,cook\n2,2025-12-01 00:00:00,,007\n"
PRICES = "product,at,price\nb,1767258000000,5.5\nb,1767250000000,4.5\na,1767250000000,2\n"
TABLES: dict[str, Any] = {
    "impressions": {
        "files": "impressions.csv",
        "types": {"ts": "BIGINT", "stay": "BIGINT", "bot": "BIGINT"},
        "columns": {
            **{"impression_id": "id", "time": "ts", "settled_time": "ts + stay", "member_id": "user"},
            **{"item_id": "product", "surface": '"where"', "clicked": "event = 'click'"},
        },
        "times": {"time": {"unit": "ms"}, "settled_time": {"unit": "ms"}},
        "where": "bot = 0",
        "asof": {"price": {"table": "prices", "column": "price", "key": "item_id", "time": "valid_from"}},
        "derived": {"price_log": "ln(1 + price)"},
    },
    "members": {
        "files": "members.csv",
        "columns": {"member_id": "user", "valid_from": "since", "age": "age", "job": "job"},
        "times": {"valid_from": {"timezone": "Asia/Shanghai"}},
    },
    "prices": {
        "files": "prices.csv",
        "columns": {"item_id": "product", "valid_from": "at", "price": "price"},
        "types": {"price": "DOUBLE"},
        "times": {"valid_from": {"unit": "ms"}},
    },
}


def tables(**changes: dict[str, Any]) -> dict[str, Any]:
    """The block ``source.tables``; ``changes`` replace keys of a table, None removes one."""
    whole = copy.deepcopy(TABLES)
    for name, changed in changes.items():
        table = {**whole.get(name, {}), **changed}
        whole[name] = {key: value for key, value in table.items() if value is not None}
    return whole


def shop_spec(declared: dict[str, Any] | None = None, **source: Any) -> Spec:
    """The shop's spec."""
    profile = {"table": "members", "features": {"age": "number", "job": "category"}}
    return specs.spec_of(
        specs.document(
            timezone="Asia/Shanghai",
            source={"adapter": "tables", "tables": declared or TABLES, **source},
            nodes={
                "member": {"key": "member_id", "views": {"profile": profile}},
                "item": {"key": "item_id", "key_type": "string"},
            },
            edges={"clicked": specs.edge("impressions", MEMBER, ITEM, filter={"clicked": [1]})},
            impressions=specs.impressions(
                MEMBER, ITEM, surfaces=["feed", "mail"], context={"price_log": "number"}, outcomes=["clicked"]
            ),
            tasks={"click": {"label": "clicked", "primary": True}},
        )
    )


def shop_folder(folder: Path, **texts: str) -> Path:
    """The shop's files; ``texts`` replace or add CSV files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {"impressions": IMPRESSIONS, "members": MEMBERS, "prices": PRICES, **texts}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def ingested(spec: Spec, data: Path | None, folder: Path, name: str, kept: Path | None = None) -> pd.DataFrame:
    """Check and ingest; return one canonical table."""
    check(spec)
    ingest(spec, data, folder / "tables", None if kept is None else str(kept))
    return read_table(folder / "tables", name)
