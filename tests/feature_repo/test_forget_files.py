"""Forgetting a member in what is not the online store: kept rows of raw files, ingested tables; and odd keys."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from feature_repo.forget import ForgetError, _keys, member_of
from feature_repo.forget_files import erase_kept, erase_monitored
from feature_repo.forgotten import REASON, Forgotten, digest, member_columns, without_forgotten
from feature_repo.packed.keys import row_key
from feature_repo.packed.layout import Key, Layout
from feature_repo.packed.rows import RowStore
from feature_repo.sources.files import keeping, read_once
from feature_repo.stream.event_log import log_key
from models.served_rewrite import erase
from models.spec import parse_spec
from models.storage import names
from tests.feature_repo import tiny
from tests.feature_repo.row_stores import redis_address, redis_server, rows
from tests.s3_server import bucket, s3_server

__all__ = ["bucket", "redis_address", "redis_server", "rows", "s3_server"]

MEMBER, OTHER = 2, 12
MEMBERS = Forgotten("member_id", b"salt", frozenset({digest(MEMBER, b"salt")}))


@pytest.mark.parametrize("key", ["a b", "naïve", '"quoted"\n', "-7", "7", "a\\b*?[]", "s\x04", "😀", "sa"])
def test_keys_with_odd_characters(key: str, rows: RowStore, tmp_path: Path) -> None:
    """Rows whose keys begin or end alike stay; so does a line of the served log that only mentions the key."""
    others = [key + "x", "x" + key, key.upper() + "!"]
    keys = {"v": ("m",), "w": ("m", "surface"), "x": ("item", "m")}  # ordered by name
    views = [Layout(view, tuple(Key(name, "string") for name in names), ()) for view, names in keys.items()]
    for layout in views:
        for other in others:
            values = [key if name.name == "m" else other for name in layout.keys]
            own = row_key("p", layout.view, values)
            rows.write_newest([(one, b"\0" * 16 + b"row") for one in (own, log_key(own))])
            if len(values) == 2:
                rows.write_newest([(row_key("p", layout.view, values[::-1]), b"\0" * 16 + b"another's")])
            rows.write_newest([(row_key("p", layout.view, [other] * len(values)), b"\0" * 16 + b"another's")])
    for layout in views:
        found = rows.read(_keys(rows, "p", layout, "m", key))
        assert len(found) == (6 if len(layout.keys) == 2 else 2)
        assert {row[16:] for row in found if row is not None} == {b"row"}
    lines = [{"member": key}, {"member": others[0], "request": key}, {"member": others[1]}]
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    (tmp_path / "day.jsonl").write_text(text, encoding="utf-8")
    assert erase(tmp_path, key, "m") == {"day.jsonl": 1}
    left = (tmp_path / "day.jsonl").read_text(encoding="utf-8").split("\n")
    assert [json.loads(line) for line in left if line] == lines[1:]


def test_text_keys_are_checked() -> None:
    document = tiny.tiny_spec().model_dump(mode="json", by_alias=True)
    document["nodes"]["member"]["key_type"] = "string"
    spec = parse_spec(json.dumps(document))
    assert member_of(spec, "-7") == "-7"
    for wrong in ("", "a\0b", "\udcff"):
        with pytest.raises(ForgetError, match="MEMBER: expected"):
            member_of(spec, wrong)


@pytest.mark.parametrize("place", ["here", "s3"])
def test_kept_rows_of_raw_files(place: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Rows go out of kept files, which are not read again; the next ingest keeps none of the member."""
    kept = str(tmp_path / "kept") if place == "here" else f"{request.getfixturevalue('bucket')}/raw"
    spec, file = tiny.tiny_spec(), tmp_path / "impressions" / "day.txt"
    file.parent.mkdir()
    file.write_text("raw", encoding="utf-8")
    table, reads = pa.table({"member": [MEMBER, OTHER, MEMBER], "place": [MEMBER] * 3}), []

    def read() -> pa.Table:
        reads.append(1)
        return table

    def ingest(members: Forgotten) -> list[int]:
        def columns(file: Path, found: list[str]) -> list[str]:
            return [name for name in found if name in member_columns(spec, file.parent.name)]

        with keeping(kept, columns, members):
            found: list[int] = read_once(file, "f", read)["member"].to_pylist()
            return found

    assert ingest(Forgotten()) == ingest(Forgotten()) == [MEMBER, OTHER, MEMBER]
    assert list(erase_kept(kept, MEMBER, dry_run=True).values()) == [2]
    assert list(erase_kept(kept, MEMBER, dry_run=False).values()) == [2]
    assert erase_kept(kept, MEMBER, dry_run=False) == {}
    assert ingest(Forgotten()) == [OTHER]
    assert len(reads) == 1
    file.write_text("changed", encoding="utf-8")
    assert ingest(MEMBERS) == [OTHER]
    assert erase_kept(kept, MEMBER, dry_run=True) == {}
    assert len(reads) == 2


def test_what_an_ingest_kept_meanwhile_is_kept_without_the_member(tmp_path: Path) -> None:
    file, kept = tmp_path / "day.txt", tmp_path / "kept"
    file.write_text("raw", encoding="utf-8")
    for members in (Forgotten(), MEMBERS):  # the first began before the member was forgotten
        with keeping(str(kept), lambda file, found: found, members):
            read_once(file, "f", lambda: pa.table({"uid": [MEMBER, OTHER]}))
    (left,) = kept.glob("*.parquet")
    assert pq.read_table(left)["uid"].to_pylist() == [OTHER]


def test_kept_rows_of_an_earlier_release_and_damaged_ones_are_removed(tmp_path: Path) -> None:
    """Nothing says which column names members: the raw file is read again."""
    pq.write_table(pa.table({"uid": [MEMBER], "day": ["x"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"uid": [OTHER], "day": [str(MEMBER)]}), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"damaged")
    assert erase_kept(str(tmp_path), MEMBER, dry_run=False) == {"a.parquet": 1}
    assert names(str(tmp_path)) == ["b.parquet"]


def test_ingested_tables_lack_the_member() -> None:
    """In every column that names members, also beside nulls."""
    shown, likes = tiny.impressions(np.random.default_rng(0)), tiny.likes()
    shown["member"] = shown["member"].astype(float)
    tables = {"impressions": shown, "likes": likes, "posts": pd.DataFrame({"post_id": ["2"]})}
    left = without_forgotten(tiny.tiny_spec(), tables, MEMBERS)
    assert MEMBER not in set(left["impressions"]["member"]) | set(left["likes"]["member_id"])
    assert len(left["impressions"]) == (shown["member"] != MEMBER).sum()
    assert left["likes"].attrs["dropped"] == {REASON: 1}
    assert left["posts"] is tables["posts"]


def test_what_monitoring_keeps_no_longer_names_the_member(tmp_path: Path) -> None:
    text = "The member 2 has 30% of the rows; 2 were expected"
    alarm = {"cause": "traffic.member", "subject": "2", "text": text}
    item = {"cause": "traffic.item", "subject": "2", "text": "The item 2 has"}
    files: dict[str, object] = {
        "days/2026-01-01.json": {"traffic": {"member": {"most": "2"}, "item": {"most": "2"}}},
        "days/2026-01-02.json": {"traffic": {"member": {"most": "12"}}},
        "verdicts/2026-01-01.json": {"evidence": [alarm, item, {**alarm, "subject": "12"}]},
        "report.json": {"verdict": {"evidence": [alarm]}, "alarms": [alarm]},
    }
    assert erase_monitored(str(tmp_path / "none"), 2, False) == {}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "monitoring.html").write_text(text, encoding="utf-8")
    (tmp_path / "days" / "torn.json").write_text("{", encoding="utf-8")
    counts = dict(zip(files, (1, 0, 1, 2), strict=True))
    assert erase_monitored(str(tmp_path), 2, dry_run=True) == counts
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8")) == files["report.json"]
    assert erase_monitored(str(tmp_path), 2, dry_run=False) == counts
    day, _, verdict, _ = (json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in files)
    assert day["traffic"] == {"member": {"most": "erased"}, "item": {"most": "2"}}
    gone = {**alarm, "subject": "erased", "text": text.replace("member 2", "member erased")}
    assert verdict["evidence"] == [gone, item, {**alarm, "subject": "12"}]
    assert not (tmp_path / "monitoring.html").exists()
    assert set(erase_monitored(str(tmp_path), 2, dry_run=False).values()) == {0}
