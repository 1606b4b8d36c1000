"""A tiny product: a spec, its canonical tables and a training set, written by hand and free of Feast."""

from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

from models.spec import Spec
from tests.factories import specs

HOUR = 3_600_000_000
MEMBER, ITEM, CREATOR = ("member", "member_id"), ("item", "item_id"), ("creator", "creator_id")
DOCUMENT = specs.document(
    name="tiny",
    timezone="Europe/Berlin",
    nodes={
        "member": {
            "key": "member_id",
            "views": {"profile": {"table": "profiles", "features": {"age": "number", "industry": "category"}}},
        },
        "item": {
            "key": "item_id",
            "key_type": "string",
            "id_buckets": 8,
            "views": {"content": {"table": "contents", "features": {"title": "text", "topics": "vector[2]"}}},
        },
        "creator": {"key": "creator_id"},
    },
    edges={
        "clicked": specs.edge(
            "impressions",
            MEMBER,
            ITEM,
            domain="push",
            filter={"clicked": [1]},
            weight="worth",
            attributes={"surface": "category", "dwelt": "number"},
            fan_out=[3, 2],
        ),
        "follows": specs.edge(
            "follows", MEMBER, CREATOR, kind="affinity", fan_out=[2, 0], reverse_fan_out=[0, 2], window_days=2
        ),
    },
    impressions=specs.impressions(
        MEMBER, ITEM, surfaces=["push", "email"], context={"hour_slot": "category"}, outcomes=["clicked", "dwelt"]
    ),
    tasks={
        "click": {"label": "clicked", "primary": True},
        "dwell": {"label": "dwelt", "filter": {"clicked": [1], "surface": ["push"]}},
    },
    counters={"all": {"keys": ["member"]}},
    home_domain="push",
)
TIME = pa.timestamp("us", tz="UTC")
TYPES: dict[str, dict[str, pa.DataType]] = {
    "impressions": {
        "impression_id": pa.int64(),
        "member_id": pa.int64(),
        "item_id": pa.string(),
        "surface": pa.string(),
        "time": TIME,
        "settled_time": TIME,
        "clicked": pa.int64(),
        "dwelt": pa.int64(),
        "worth": pa.float32(),
        "hour_slot": pa.string(),
    },
    "follows": {"member_id": pa.int64(), "creator_id": pa.int64(), "time": TIME},
    "versions_member": {"member_id": pa.int64(), "valid_from": TIME, "age": pa.float32(), "industry": pa.string()},
    "versions_item": {
        "item_id": pa.string(),
        "valid_from": TIME,
        "title": pa.string(),
        "topics": pa.list_(pa.float32()),
    },
}
COUNTERS = {name: pa.float32() for name in ("all_exposures", "all_click_rate", "all_dwell_rate")}


@cache
def spec() -> Spec:
    return specs.spec_of(DOCUMENT)


START = spec().span("graph").start


def shown(key: int, member: int | None, item: str | None, hour: float, clicked: int, **others: Any) -> dict[str, Any]:
    """An impression ``hour`` hours after the graph window's start, settled an hour later."""
    time = START + int(hour * HOUR)
    row = {"impression_id": key, "member_id": member, "item_id": item, "surface": "push", "time": time}
    return {
        **row,
        "settled_time": time + HOUR,
        "clicked": clicked,
        "dwelt": 0,
        "worth": 1.0,
        "hour_slot": "am",
        **others,
    }


ROWS: dict[str, list[dict[str, Any]]] = {
    "impressions": [
        shown(0, 30, "b", 1, 1, worth=2.0),
        shown(1, 10, "a", 2, 1),
        shown(2, 10, "b", 2, 1),
        shown(3, 10, "b", 2, 1, worth=9.0),  # the same edge again
        shown(4, 10, "c", 3, 0),
        shown(5, 20, None, 4, 1),  # no item
        shown(6, 20, "a", 4, 1, settled_time=None),
        shown(7, 20, "a", 5, 1, worth=-1.0),
        shown(8, 10, "a", 50, 1, dwelt=1),  # train
        shown(9, 20, "b", 60, 0, hour_slot=None),
        shown(10, 30, "c", 60, 1, surface="email", hour_slot="pm"),
        shown(11, 10, "c", 100, 0),  # validate
        shown(12, 10, "b", 125, 1),  # gate
        shown(13, 20, "c", 150, 1, dwelt=None),  # test
    ],
    "follows": [
        {"member_id": 10, "creator_id": 7, "time": START},
        {"member_id": 10, "creator_id": 7, "time": START},
        {"member_id": 40, "creator_id": 5, "time": START + 90 * HOUR},
        {"member_id": None, "creator_id": 5, "time": START},
    ],
    "versions_member": [
        {"member_id": 10, "valid_from": START + 5 * HOUR, "age": 31.0, "industry": "law"},
        {"member_id": 10, "valid_from": START, "age": 30.0, "industry": "art"},
        {"member_id": 10, "valid_from": START, "age": 29.0, "industry": None},  # same moment: the later row counts
        {"member_id": 50, "valid_from": START, "age": None, "industry": "art"},
        {"member_id": None, "valid_from": START, "age": 1.0, "industry": "art"},
    ],
    "versions_item": [
        {"item_id": "a", "valid_from": START, "title": "Big news", "topics": [1.0, 2.0]},
        {"item_id": "b", "valid_from": START, "title": None, "topics": None},
    ],
}


def write_product(folder: Path, rows: dict[str, list[dict[str, Any]]] | None = None) -> tuple[Path, Path]:
    """Write the tables and the training set; returns their folders.

    A row's counters are its key, frozen ones the same below zero. Frozen are rows of the train window an hour before
    they were shown, others at their window's start.
    """
    rows = {**ROWS, **(rows or {})}
    tables, training_set = folder / "tables", folder / "training_set"
    tables.mkdir(parents=True, exist_ok=True)
    training_set.mkdir(exist_ok=True)
    for name in ("impressions", "follows"):
        _write(tables / f"{name}.parquet", rows[name], TYPES[name])
    for name in ("versions_member", "versions_item"):
        _write(training_set / f"{name}.parquet", rows[name], TYPES[name])
    seeds = []
    for row in rows["impressions"]:
        windows = [w for w in ("train", "validate", "gate", "test") if _inside(w, row["time"])]
        if windows and row["settled_time"] is not None:
            seeds.append({**row, "window": windows[0], **dict.fromkeys(COUNTERS, float(row["impression_id"]))})
    types = {**TYPES["impressions"], "window": pa.string(), **COUNTERS}
    _write(training_set / "impressions.parquet", seeds, types)
    frozen = [
        {**row, **{name: -row[name] for name in COUNTERS}, "frozen_time": _frozen_time(row["window"], row["time"])}
        for row in seeds
    ]
    _write(training_set / "frozen.parquet", frozen[::-1], {**types, "frozen_time": TIME})
    return tables, training_set


def _frozen_time(window: str, time: int) -> int:
    return time - HOUR if window == "train" else min(spec().span(window).start + 1, time)


def _inside(window: str, time: int) -> bool:
    start, end = spec().span(window)
    return start <= time < end


def _write(path: Path, rows: list[dict[str, Any]], types: dict[str, pa.DataType]) -> None:
    columns = {name: pa.array([row[name] for row in rows], type_) for name, type_ in types.items()}
    parquet.write_table(pa.table(columns), path)
